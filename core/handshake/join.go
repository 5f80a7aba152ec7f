package handshake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Request is a user's wish to join a room, knock on it or leave it.
type Request struct {
	Caller room.Caller
	Room   id.Room
	Via    []id.Server // through which it may be reached; the first is asked first
	Reason string
	Extra  map[string]any // further keys of the member event
}

var (
	errNoServer = fault.New(fault.NotFound, "This server does not know that room, nor a server to ask for it")
	errBlocked  = fault.New(fault.Forbidden, "This room has been blocked on this server")
	errGuessed  = errors.New("it was not named, and those that were have settled it")
	errReason   = fault.New(fault.TooLarge, "A reason can have 4,096 bytes at most")
)

const maxReason = 4096

// Join makes the caller a member, here or through another server. Joining twice changes nothing. Errors: M_NOT_FOUND,
// M_FORBIDDEN, M_INCOMPATIBLE_ROOM_VERSION, M_UNABLE_TO_AUTHORISE_JOIN, or that no server could be reached.
func (h *Handshakes) Join(ctx context.Context, q Request) error {
	unlock, err := h.lanes.Lock(ctx, entering(q.Room))
	if err != nil {
		return err
	}
	defer unlock()
	at, err := h.Rooms.Whereabouts(ctx, q.Room, q.Caller.User)
	if err != nil {
		return err
	}
	var local error
	if at.Here || at.Local {
		local = h.Rooms.Join(ctx, q.Caller, q.Room, q.Reason, q.Extra)
		if local == nil || !at.Restricted || !fault.Is(local, fault.Forbidden) {
			return local
		}
	}
	if err := h.enterable(ctx, &q); err != nil {
		return err
	}
	s, err := h.Rooms.StandingOf(ctx, q.Room, q.Caller.User)
	if err != nil {
		return err
	}
	servers := h.reach(q.Room, q.Via, s, &at)
	if len(servers) == 0 {
		if local != nil {
			return local
		}
		return errNoServer
	}
	return h.joinThrough(ctx, servers, q, &at)
}

// unguessed is ask for a join through servers of which the client named some: once one of those knows the room but cannot let
// the user in, no server is asked that is only guessed from the room's id or from who was in it.
func (h *Handshakes) unguessed(named []id.Server) asking {
	var settled atomic.Bool
	return func(ctx context.Context, server id.Server, w *wish) (*template, error) {
		if !slices.Contains(named, server) {
			if settled.Load() {
				return nil, errGuessed
			}
			return h.ask(ctx, server, w)
		}
		t, err := h.ask(ctx, server, w)
		no, is := errors.AsType[*peer.AnswerError](err)
		if is && (no.Code == fault.UnableToGrantJoin || no.Code == fault.UnableToAuthoriseJoin) {
			settled.Store(true)
		}
		return t, err
	}
}

// look finds out where the room is and what the caller has to do with it.
func (h *Handshakes) look(ctx context.Context, q Request) (at room.Whereabouts, s *room.Standing, err error) {
	if at, err = h.Rooms.Whereabouts(ctx, q.Room, q.Caller.User); err == nil {
		s, err = h.Rooms.StandingOf(ctx, q.Room, q.Caller.User)
	}
	return at, s, err
}

// enterable is what is refused before anybody is asked.
func (h *Handshakes) enterable(ctx context.Context, q *Request) error {
	if len(q.Reason) > maxReason {
		return errReason
	}
	_, blocked, err := h.Rooms.Blocked(ctx, q.Room)
	if err == nil && blocked {
		err = errBlocked
	}
	return err
}

// want is the member event that a request is for.
func (h *Handshakes) want(ctx context.Context, q Request, membership string) (*wish, error) {
	content := map[string]any{}
	maps.Copy(content, q.Extra)
	if q.Reason != "" {
		content["reason"] = q.Reason
	}
	if membership != "leave" {
		name, picture, err := h.Profiles.MemberProfile(ctx, q.Caller.User)
		if err != nil {
			return nil, fmt.Errorf("read profile for a member event: %w", err)
		}
		delete(content, "displayname")
		delete(content, "avatar_url")
		if name != "" {
			content["displayname"] = name
		}
		if picture != "" {
			content["avatar_url"] = picture
		}
	}
	return &wish{room: q.Room, user: q.Caller.User, membership: membership, content: content, ask: h.ask}, nil
}

// submit gets an event into a room through one of the servers: whichever first has a template is sent the event made of it.
// One that then fails is not asked again. take is given the answer; its error is that of the server.
func (h *Handshakes) submit(ctx context.Context, servers []id.Server, w *wish,
	take func(ctx context.Context, server id.Server, t *template, e *event.Event) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var failed failures
	for len(servers) > 0 {
		t, server, err := first(ctx, servers, func(ctx context.Context, s id.Server) (*template, error) { return w.ask(ctx, s, w) })
		if err != nil {
			var why failures
			if !errors.As(err, &why) {
				return err
			}
			return said(slices.Concat(failed, why))
		}
		e, err := h.build(t)
		if err != nil {
			return err
		}
		if err = take(ctx, server, t, e); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return said(err)
		}
		h.Log.InfoContext(ctx, "a server that made a template does not take the event", "server", server, "room", w.room, "cause", err)
		failed = append(failed, failure{server, err})
		servers = slices.DeleteFunc(slices.Clone(servers), func(s id.Server) bool { return s == server })
	}
	return said(failed)
}

// sendPath is where an event made of a template is sent.
func sendPath(api, membership string, e *event.Event) string {
	return "/_matrix/federation/" + api + "/send_" + membership + "/" + url.PathEscape(string(e.Room())) + "/" + url.PathEscape(string(e.ID()))
}

// joinThrough joins by the handshake. Where this server is in the room, it only lacks somebody who may vouch for the user.
func (h *Handshakes) joinThrough(ctx context.Context, servers []id.Server, q Request, at *room.Whereabouts) error {
	w, err := h.want(ctx, q, "join")
	if err != nil {
		return err
	}
	w.depth = at.Depth + 1
	if !at.Here {
		w.ask = h.unguessed(q.Via)
	}
	return h.submit(ctx, servers, w, func(ctx context.Context, server id.Server, t *template, join *event.Event) error {
		path := sendPath("v2", "join", join)
		if !at.Here {
			path += "?omit_members=true"
			defer h.beginJoin(q.Room, t.version)()
		}
		// From here on the user may be in the room, whoever hangs up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		var answer sendJoinResponse
		err := h.Peers.Ask(ctx, peer.Question{
			Server: server, Method: http.MethodPut, Path: path, Content: json.RawMessage(join.Bytes()), Now: true, Large: true,
			Read: answer.read(t.version, q.Room),
		}, nil)
		if err != nil {
			return err
		}
		a, err := h.adoption(ctx, server, t, join, &answer)
		if err != nil {
			return err
		}
		if at.Here {
			return h.joinAgain(ctx, a)
		}
		if back, err := h.comeBack(ctx, a); back || err != nil {
			return err
		}
		return h.adopt(ctx, server, a)
	})
}

// adopt makes the room one of this server's, and has what is missing fetched.
func (h *Handshakes) adopt(ctx context.Context, via id.Server, a *room.Adoption) error {
	if a.Partial != nil {
		if err := h.remember(ctx, via, a.Join.Event); err != nil {
			return err
		}
	}
	if err := h.Rooms.Adopt(ctx, *a); err != nil {
		if a.Partial != nil {
			err = errors.Join(err, h.done(ctx, a.Join.Event.Room(), a.Join.Event.ID()))
		}
		return fmt.Errorf("take the room over: %w", err)
	}
	h.Log.InfoContext(ctx, "joined a room through another server", "room", a.Join.Event.Room(), "server", via,
		"version", a.Version.ID, "state", len(a.State), "partial", a.Partial != nil)
	if a.Partial != nil {
		h.begin(a.Join.Event.Room())
	}
	return nil
}

// comeBack puts a join into a room that this server was in before, where it has missed nothing since. What members were
// missing then is still being fetched.
func (h *Handshakes) comeBack(ctx context.Context, a *room.Adoption) (back bool, err error) {
	in := a.Join.Event.Room()
	if _, filling := h.Filling(in); !filling {
		if partial, err := h.partial(ctx, in); partial || err != nil {
			return false, err
		}
	}
	r, err := h.Rooms.Return(ctx, a.Join)
	return r.Verdict == room.Accepted || r.Verdict == room.Known, err
}

// partial says whether members of a room are missing here.
func (h *Handshakes) partial(ctx context.Context, in id.Room) (is bool, err error) {
	err = h.DB.Read(ctx, func(tx *sqldb.Tx) error {
		nid, found, err := h.Rooms.NIDOf(tx, in)
		if is = false; err != nil || !found {
			return err
		}
		_, is, err = h.Rooms.Partial(tx, nid)
		return err
	})
	return is, err
}

// joinAgain puts a join that another server vouches for into a room that is here.
func (h *Handshakes) joinAgain(ctx context.Context, a *room.Adoption) error {
	in := a.Join.Event.Room()
	receipts, err := h.Rooms.Receive(ctx, in, []room.Incoming{a.Join})
	if err != nil {
		return err
	}
	if receipts[0].Verdict == room.Lacking { // the other server is ahead
		if _, err := h.Rooms.AddOutliers(ctx, in, slices.Concat(a.Auth, a.State)); err != nil {
			return err
		}
		a.Join.Before = make([]id.Event, len(a.State))
		for i, s := range a.State {
			a.Join.Before[i] = s.Event.ID()
		}
		if receipts, err = h.Rooms.Receive(ctx, in, []room.Incoming{a.Join}); err != nil {
			return err
		}
	}
	if r := receipts[0]; r.Verdict != room.Accepted && r.Verdict != room.Known {
		return fault.New(fault.Forbidden, "The room does not take the join").Because(r.Cause)
	}
	return nil
}
