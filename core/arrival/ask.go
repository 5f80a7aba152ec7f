package arrival

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// What other servers are asked for ("Backfilling and retrieving missing events", "Retrieving events", "Retrieving event
// authorisation information"). How large an answer may be, core/peer says.

// askTime is how long one answer may take.
const askTime = 20 * time.Second

type pdus []json.RawMessage

func (a *Arrivals) ask(ctx context.Context, server id.Server, method, path string, content, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return a.Peers.Ask(ctx, peer.Question{Server: server, Method: method, Path: prefix + path, Content: content}, out)
}

const prefix = "/_matrix/federation/v1/"

// askMissing asks for events before latest that are after earliest.
func (a *Arrivals) askMissing(ctx context.Context, server id.Server, in id.Room, earliest, latest []id.Event, limit int) (pdus, error) {
	question := struct {
		Earliest []id.Event `json:"earliest_events"`
		Latest   []id.Event `json:"latest_events"`
		Limit    int        `json:"limit"`
	}{earliest, latest, limit}
	var answer struct {
		Events pdus `json:"events"`
	}
	err := a.ask(ctx, server, http.MethodPost, "get_missing_events/"+url.PathEscape(string(in)), question, &answer)
	return answer.Events[:min(len(answer.Events), limit)], err
}

// askStateIDs asks for the state before an event: the events of it, and those of its auth chain.
func (a *Arrivals) askStateIDs(ctx context.Context, server id.Server, in id.Room, at id.Event) (state, chain []id.Event, err error) {
	var answer struct {
		State []id.Event `json:"pdu_ids"`
		Chain []id.Event `json:"auth_chain_ids"`
	}
	err = a.ask(ctx, server, http.MethodGet, "state_ids/"+url.PathEscape(string(in))+"?event_id="+url.QueryEscape(string(at)), nil, &answer)
	switch {
	case err != nil:
	case len(answer.State) == 0:
		err = fmt.Errorf("%s says that the state is empty", server)
	case len(answer.State)+len(answer.Chain) > maxState:
		err = fmt.Errorf("%s says that the state has %d events", server, len(answer.State)+len(answer.Chain))
	}
	return answer.State, answer.Chain, err
}

// askState is askStateIDs with the events themselves, those of the auth chain among them.
func (a *Arrivals) askState(ctx context.Context, server id.Server, in id.Room, at id.Event, large bool) (pdus, error) {
	var answer struct {
		State pdus `json:"pdus"`
		Chain pdus `json:"auth_chain"`
	}
	err := a.Peers.Ask(ctx, peer.Question{
		Server: server, Method: http.MethodGet, Large: large,
		Path: prefix + "state/" + url.PathEscape(string(in)) + "?event_id=" + url.QueryEscape(string(at)),
	}, &answer)
	return append(answer.State, answer.Chain...), err
}

func (a *Arrivals) askEvent(ctx context.Context, server id.Server, e id.Event) (pdus, error) {
	var answer struct {
		Events pdus `json:"pdus"`
	}
	err := a.ask(ctx, server, http.MethodGet, "event/"+url.PathEscape(string(e)), nil, &answer)
	return answer.Events[:min(len(answer.Events), 1)], err
}

func (a *Arrivals) askAuth(ctx context.Context, server id.Server, in id.Room, of id.Event) (pdus, error) {
	var answer struct {
		Chain pdus `json:"auth_chain"`
	}
	err := a.ask(ctx, server, http.MethodGet, "event_auth/"+url.PathEscape(string(in))+"/"+url.PathEscape(string(of)), nil, &answer)
	return answer.Chain[:min(len(answer.Chain), maxChain)], err
}

func (a *Arrivals) askBackfill(ctx context.Context, server id.Server, in id.Room, from []id.Event, limit int) (pdus, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for _, e := range from {
		query.Add("v", string(e))
	}
	var answer struct {
		Events pdus `json:"pdus"`
	}
	err := a.ask(ctx, server, http.MethodGet, "backfill/"+url.PathEscape(string(in))+"?"+query.Encode(), nil, &answer)
	return answer.Events[:min(len(answer.Events), limit)], err
}

// sound are those of some events that are of the room, of the form it wants, and signed as they must be, each once. Those that
// fresh leaves out are wanted no more: they have come by another way.
func (a *Arrivals) sound(
	ctx context.Context, v *version.Version, via id.Server, in id.Room, raws pdus, fresh func(context.Context, []id.Event) ([]id.Event, error),
) []room.Incoming {
	events := make([]*event.Event, 0, len(raws))
	seen := make(map[id.Event]bool, len(raws))
	for _, raw := range raws {
		e, err := event.Parse(v, raw)
		if err != nil {
			a.counts.malformed.Add(1)
			continue
		}
		if e.Room() == in && !seen[e.ID()] {
			seen[e.ID()] = true
			events = append(events, e)
		}
	}
	wanted, err := fresh(ctx, slices.Collect(maps.Keys(seen)))
	if err != nil {
		return nil // the database does not answer: nothing could be done with them
	}
	for _, e := range wanted {
		delete(seen, e)
	}
	events = slices.DeleteFunc(events, func(e *event.Event) bool { return seen[e.ID()] })
	return a.signed(ctx, via, events)
}

// signed are those of some events that are signed as they must be.
func (a *Arrivals) signed(ctx context.Context, via id.Server, events []*event.Event) []room.Incoming {
	good := make([]room.Incoming, 0, len(events))
	for i, v := range a.Peers.VerifyEvents(ctx, via, events) {
		if v.Err != nil {
			a.counts.forged.Add(1)
			continue
		}
		good = append(good, room.Incoming{Event: events[i], SignedBy: v.By})
	}
	return good
}
