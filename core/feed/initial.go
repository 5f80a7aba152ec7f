package feed

import (
	"context"
	"encoding/json"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// InitialRequest asks for what there was before /sync: GET /initialSync and /rooms/{roomId}/initialSync.
type InitialRequest struct {
	Caller   room.Caller
	Limit    int  // events of each room, up to 200
	Archived bool // rooms that the user has left, too

	Published func(ctx context.Context, in id.Room) (bool, error) // whether the room is in the directory
}

// Initial tells all that concerns a user, room by room, as of one moment of the stream, from which room.Listen goes on.
func (f *Feed) Initial(ctx context.Context, q InitialRequest, to Sink) error {
	var standings []*room.Standing
	var moment room.Token
	var b []byte
	err := f.DB.Read(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		moment = room.StreamToken(high)
		if standings, err = f.Rooms.Standings(tx, q.Caller.User); err != nil {
			return err
		}
		b, err = f.initialHead(tx, q.Caller.User, moment)
		return err
	})
	if err != nil {
		return err
	}
	b = append(b[:len(b)-1], `,"rooms":[`...) // into the object
	first := true
	for _, s := range standings {
		gone := s.Membership == "leave" || s.Membership == "ban"
		if s.Forgotten || gone && !q.Archived {
			continue
		}
		one, err := f.InitialRoom(ctx, q, s.RoomID, &moment)
		if fault.Is(err, fault.Forbidden) { // she was never in, or has forgotten it since
			continue
		}
		if err != nil {
			return err
		}
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if b = append(b, text...); len(b) < partSize {
			continue
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err = to.Write(append(b, `]}`...))
	return err
}

// initialHead is all but the rooms.
func (f *Feed) initialHead(tx *sqldb.Tx, user id.User, moment room.Token) ([]byte, error) {
	head := csapi.InitialSyncHead{End: moment.String(), Presence: []csapi.PresenceEvent{}, AccountData: none}
	high, err := tx.High()
	if err != nil {
		return nil, err
	}
	data, err := f.People.AccountData(tx, user, 0, high)
	if err != nil {
		return nil, err
	}
	for _, d := range data {
		if d.Room == "" {
			head.AccountData = append(head.AccountData, dataEvent(d))
		}
	}
	ignored, err := f.People.Ignored(tx, user)
	if err != nil {
		return nil, err
	}
	present, err := f.Ephemeral.PresenceSince(tx, user, 0)
	if err != nil {
		return nil, err
	}
	for _, p := range present {
		if !ignored[p.User] {
			head.Presence = append(head.Presence, f.presenceEvent(p))
		}
	}
	return json.Marshal(head)
}

func (f *Feed) presenceEvent(p ephemeral.Presence) csapi.PresenceEvent {
	e := csapi.PresenceEvent{Type: "m.presence", Sender: p.User}
	e.Content.Presence, e.Content.StatusMsg, e.Content.CurrentlyActive = p.State, p.StatusMsg, p.CurrentlyActive
	if !p.LastActive.IsZero() {
		ago := max(f.Now().Sub(p.LastActive).Milliseconds(), 0)
		e.Content.LastActiveAgo = &ago
	}
	return e
}

// InitialRoom tells of one room: its newest events up to a moment of the stream, nil for now, its state, and what the
// caller keeps of it. Who is invited is told the invitation, and the rest only where she may see it. Errors: M_FORBIDDEN.
func (f *Feed) InitialRoom(ctx context.Context, q InitialRequest, in id.Room, upto *room.Token) (*csapi.RoomInitialSyncResponse, error) {
	user := q.Caller.User
	out := &csapi.RoomInitialSyncResponse{Room: in, Visibility: "private", AccountData: none}
	err := f.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := f.Rooms.Onlooker(tx, in, user)
		if err != nil || v.Standing == nil || v.Standing.Membership != "invite" {
			return err
		}
		own, err := f.Rooms.Load(tx, v.Standing.Event)
		if err != nil {
			return err
		}
		shown, err := f.Rooms.Render(tx, []*room.Stored{own}, room.Form{Caller: q.Caller})
		if err == nil {
			out.Membership, out.Invite = "invite", shown[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	page := room.PageRequest{Room: in, User: user, From: upto, Limit: min(max(q.Limit, 1), maxTimeline)}
	err = f.Rooms.Messages(ctx, page, func(tx *sqldb.Tx, v *room.Viewer, page *room.Page) error {
		if q.Limit <= 0 {
			page.Events, page.End = nil, page.Start
		}
		return f.initialSeen(tx, q, v, page, out)
	})
	if fault.Is(err, fault.Forbidden) && out.Invite != nil {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	public, err := q.Published(ctx, in)
	if public {
		out.Visibility = "public"
	}
	return out, err
}

// initialSeen adds what the user may see of a room.
func (f *Feed) initialSeen(tx *sqldb.Tx, q InitialRequest, v *room.Viewer, page *room.Page, out *csapi.RoomInitialSyncResponse) error {
	if v.Standing != nil {
		out.Membership = v.Standing.Membership
	}
	out.Messages = &csapi.RoomMessages{End: page.Start.String()}
	if page.End != nil {
		out.Messages.Start = page.End.String()
	}
	ignored, err := f.People.Ignored(tx, q.Caller.User)
	if err != nil {
		return err
	}
	slices.Reverse(page.Events)
	form := room.Form{Caller: q.Caller, Viewer: v, Bundle: true, Ignored: ignored}
	if out.Messages.Chunk, err = f.Rooms.Render(tx, page.Events, form); err != nil {
		return err
	}
	root, err := v.State()
	if err != nil {
		return err
	}
	state, err := f.Rooms.StateEvents(tx, root)
	if err != nil {
		return err
	}
	if out.State, err = f.Rooms.Render(tx, state, room.Form{Caller: q.Caller}); err != nil {
		return err
	}
	high, err := tx.High()
	if err != nil {
		return err
	}
	data, err := f.People.RoomAccountData(tx, q.Caller.User, out.Room, high)
	for _, d := range data {
		out.AccountData = append(out.AccountData, dataEvent(d))
	}
	return err
}
