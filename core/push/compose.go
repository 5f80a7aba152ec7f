package push

import (
	"encoding/json"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// message is the body of POST /_matrix/push/v1/notify (Push Gateway API).
type message struct {
	Notification struct {
		Event    id.Event        `json:"event_id,omitempty"`
		Room     id.Room         `json:"room_id,omitempty"`
		Type     string          `json:"type,omitempty"`
		Sender   id.User         `json:"sender,omitempty"`
		Name     string          `json:"sender_display_name,omitempty"`
		RoomName string          `json:"room_name,omitempty"`
		Alias    string          `json:"room_alias,omitempty"`
		Target   bool            `json:"user_is_target,omitempty"`
		Priority string          `json:"prio"`
		Content  json.RawMessage `json:"content,omitempty"`
		Counts   counts          `json:"counts"`
		Devices  []device        `json:"devices"`
	} `json:"notification"`
}

type counts struct {
	Unread *int `json:"unread,omitempty"` // nil: as in the notification before
}

type device struct {
	AppID  string                     `json:"app_id"`
	Key    string                     `json:"pushkey"`
	Since  int64                      `json:"pushkey_ts"` // seconds since 1970
	Data   json.RawMessage            `json:"data"`
	Tweaks map[string]json.RawMessage `json:"tweaks,omitempty"`
}

// compose makes what a gateway is told of an event; nil where the user may not see it, has seen it, or it was redacted.
func (p *Push) compose(tx *sqldb.Tx, it *item, nid room.NID, actions []byte) ([]byte, error) {
	e, err := p.Rooms.Load(tx, nid)
	if err != nil || e.RedactedBy != 0 {
		return nil, err
	}
	target, is := e.Event.StateKey()
	own := is && e.Event.Type() == "m.room.member" && target == string(it.user)
	v, err := p.Rooms.Onlooker(tx, e.Event.Room(), it.user)
	if err != nil {
		return nil, err
	}
	switch {
	case v.Standing == nil, own && v.Standing.Event != nid, !own && !v.Joined():
		return nil, nil
	case !own: // an invitation is hers whatever the room shows
		if sees, err := v.Sees(e); err != nil || !sees {
			return nil, err
		}
	}
	unread, read, err := p.unread(tx, it.user, e)
	if err != nil || read {
		return nil, err
	}
	tweaks := tweaksOf(actions)
	var m message
	n := &m.Notification
	n.Event, n.Room, n.Priority = e.Event.ID(), e.Event.Room(), "low"
	if e.Event.Type() == "m.room.encrypted" || tweaks["sound"] != nil || string(tweaks["highlight"]) == "true" {
		n.Priority = "high"
	}
	n.Devices = []device{it.device(tweaks)}
	wants := it.wants()
	if it.told = 0; !wants.NoBadge {
		it.told = unread
		if unread > 0 { // "counts whose value is zero should be omitted"
			n.Counts.Unread = &unread
		}
	}
	if wants.Format == "event_id_only" {
		return json.Marshal(m)
	}
	n.Type, n.Sender, n.Content, n.Target = e.Event.Type(), e.Event.Sender(), e.Event.Content(), own
	for _, part := range []struct {
		into           *string
		typ, key, name string
	}{
		{&n.Name, "m.room.member", string(n.Sender), "displayname"},
		{&n.RoomName, "m.room.name", "", "name"},
		{&n.Alias, "m.room.canonical_alias", "", "alias"},
	} {
		s, err := p.Rooms.StateEvent(tx, e.State, part.typ, part.key)
		if err != nil {
			return nil, err
		}
		if s != nil {
			*part.into, _ = canon.String(canon.Get(s.Event.Content(), part.name))
		}
	}
	return json.Marshal(m)
}

// wants is what a client has set in a pusher's data and this server knows.
type wants struct {
	Format  string `json:"format"`
	NoBadge bool   `json:"disable_badge_count"` // the client counts by itself (MSC4076)
	Before  bool   `json:"org.matrix.msc4076.disable_badge_count"`
}

// wants reads a pusher's data. What has not the type that it should have is as if it were not there.
func (it *item) wants() (w wants) {
	if json.Unmarshal(it.pusher.Data, &w) != nil {
		w = wants{}
	}
	w.NoBadge = w.NoBadge || w.Before
	return w
}

func (it *item) device(tweaks map[string]json.RawMessage) device {
	return device{AppID: it.pusher.AppID, Key: it.pusher.Key, Since: it.pusher.Since.Unix(), Data: it.pusher.Data, Tweaks: tweaks}
}

// unread counts what the user has not read in all rooms. read says that she has read as far as the event, which may be nil.
func (p *Push) unread(tx *sqldb.Tx, user id.User, e *room.Stored) (n int, read bool, err error) {
	upto, err := tx.High()
	if err != nil {
		return 0, false, err
	}
	ignored, err := p.Notify.People.Ignored(tx, user)
	if err != nil {
		return 0, false, err
	}
	standings, err := p.Rooms.Standings(tx, user)
	if err != nil {
		return 0, false, err
	}
	for _, s := range standings {
		if s.Membership != "join" {
			continue
		}
		if e != nil && s.Room == e.Room {
			if read, err = p.Notify.HasRead(tx, user, s, e); err != nil || read {
				return 0, read, err
			}
		}
		all, err := p.Notify.Unread(tx, user, s, ignored, upto)
		if err != nil {
			return 0, false, err
		}
		for _, c := range all {
			n += c.Notifications
		}
	}
	return n, false, nil
}

// tweaksOf reads what a rule's actions set (Client-Server API, "Actions").
func tweaksOf(actions []byte) map[string]json.RawMessage {
	tweaks := map[string]json.RawMessage{}
	for a := canon.OpenArray(actions); ; {
		v, ok := a.Next()
		if !ok {
			return tweaks
		}
		name, ok := canon.String(canon.Get(v, "set_tweak"))
		if !ok {
			continue
		}
		value := canon.Get(v, "value")
		if value == nil && name == "highlight" {
			value = []byte("true")
		}
		if value != nil {
			tweaks[name] = value
		}
	}
}
