package room

import (
	"encoding/json"
	"strconv"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Form says how events are shown to a client.
type Form struct {
	Caller      Caller
	WithoutRoom bool    // leave room_id out, where the answer's place says it
	Viewer      *Viewer // adds unsigned.membership, and prev_content and redacted_because where she may see them

	// State is for the events of a state, perhaps thousands, of which each was made in another state of the room: what
	// unsigned has of them must not cost a look at each of those states.
	State bool

	// Bundle adds the aggregations of children, for the Viewer, but for those by users whom she ignores.
	Bundle  bool
	Ignored map[id.User]bool

	Children map[NID][]byte // adds what References says of an event's children

	nested bool // the newest event of a thread, in its root: it is the root of no other
}

// Render shows events to a client: their stored bytes with unsigned put in (Client-Server API, "Room event format").
func (r *Rooms) Render(tx *sqldb.Tx, events []*Stored, form Form) ([]json.RawMessage, error) {
	related, err := r.related(tx, events)
	if err != nil {
		return nil, err
	}
	bundles, err := r.bundles(tx, events, form)
	if err != nil {
		return nil, err
	}
	now := r.Now().UnixMilli()
	out := make([]json.RawMessage, len(events))
	for i, s := range events {
		unsigned, err := r.unsigned(s, form, related, bundles[s.NID], now)
		if err != nil {
			return nil, err
		}
		shown, err := form.Viewer.shown(s)
		if err != nil {
			return nil, err
		}
		out[i] = shown.AppendClient(nil, event.ClientForm{WithoutRoom: form.WithoutRoom, Unsigned: unsigned})
	}
	return out, nil
}

// related reads the events that unsigned tells of: those that state events replaced, and redactions.
func (r *Rooms) related(tx *sqldb.Tx, events []*Stored) (map[NID]*Stored, error) {
	var nids []NID
	for _, s := range events {
		if s.Replaces != 0 {
			nids = append(nids, s.Replaces)
		}
		if s.RedactedBy != 0 {
			nids = append(nids, s.RedactedBy)
		}
	}
	if len(nids) == 0 {
		return nil, nil
	}
	found, err := r.LoadAll(tx, nids)
	if err != nil {
		return nil, err
	}
	related := make(map[NID]*Stored, len(found))
	for _, s := range found {
		related[s.NID] = s
	}
	return related, nil
}

func (r *Rooms) unsigned(s *Stored, form Form, related map[NID]*Stored, bundle []byte, now int64) ([]byte, error) {
	b := append(make([]byte, 0, 64), `{"age":`...)
	b = strconv.AppendInt(b, max(now-s.Event.Timestamp(), 0), 10)
	if form.Viewer != nil {
		membership, err := form.Viewer.Membership(s, form.State)
		if err != nil {
			return nil, err
		}
		b = appendText(b, "membership", membership)
	}
	if bundle != nil {
		b = append(append(b, `,"m.relations":`...), bundle...)
	}
	b = append(b, form.Children[s.NID]...)
	if old := related[s.Replaces]; old != nil {
		seen, err := form.Viewer.seesContent(old, form.State)
		if err != nil {
			return nil, err
		}
		if seen {
			before, err := form.Viewer.shown(old)
			if err != nil {
				return nil, err
			}
			b = append(append(b, `,"prev_content":`...), before.Content()...)
			b = appendText(b, "prev_sender", string(old.Event.Sender()))
		}
		b = appendText(b, "replaces_state", string(old.Event.ID()))
	}
	if by := related[s.RedactedBy]; by != nil && form.Viewer != nil {
		seen, err := form.Viewer.Sees(by)
		if err != nil {
			return nil, err
		}
		if seen {
			unsigned, err := r.unsigned(by, form, nil, nil, now)
			if err != nil {
				return nil, err
			}
			b = append(b, `,"redacted_because":`...)
			b = by.Event.AppendClient(b, event.ClientForm{WithoutRoom: form.WithoutRoom, Unsigned: unsigned})
		}
	}
	if s.TxnID != "" && s.Event.Sender() == form.Caller.User && s.Device == form.Caller.Device {
		b = appendText(b, "transaction_id", s.TxnID)
	}
	return append(b, '}'), nil
}

func appendText(b []byte, key, value string) []byte {
	b = append(append(append(b, `,"`...), key...), `":`...)
	return canon.AppendString(b, value)
}

// inviteState are the keys of the state that someone who is invited or knocks is shown
// (Client-Server API, "Stripped state").
var inviteState = []string{
	"m.room.create", "m.room.name", "m.room.avatar", "m.room.topic", "m.room.join_rules", "m.room.canonical_alias", "m.room.encryption",
}

// Stripped is what someone outside the room is shown of it with an invitation or a knock: stripped state, her own member
// event and the inviter's included.
func (r *Rooms) Stripped(tx *sqldb.Tx, s *Standing, user id.User) ([]json.RawMessage, error) {
	own, err := r.Load(tx, s.Event)
	if err != nil {
		return nil, err
	}
	if own.Membership() == "knock" || own.Event.Sender().Server() != r.Server {
		if shown, err := r.shownOutside(tx, own); len(shown) > 0 || err != nil {
			return shown, err
		}
	}
	var out []json.RawMessage
	for _, typ := range inviteState {
		e, err := r.StateEvent(tx, own.State, typ, "")
		if err != nil {
			return nil, err
		}
		if e != nil {
			out = append(out, e.Event.AppendStripped(nil))
		}
	}
	if sender := own.Event.Sender(); sender != user {
		e, err := r.StateEvent(tx, own.State, "m.room.member", string(sender))
		if err != nil {
			return nil, err
		}
		if e != nil {
			out = append(out, e.Event.AppendStripped(nil))
		}
	}
	return append(out, own.Event.AppendStripped(nil)), nil
}
