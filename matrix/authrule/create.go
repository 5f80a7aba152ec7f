package authrule

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Create is what the rules need of an m.room.create event.
type Create struct {
	Event      id.Event
	Room       id.Room
	Sender     id.User
	Creator    id.User   // content.creator where the version has one, else the sender
	Additional []id.User // additional_creators, in versions that know them
	Federate   bool      // false when m.federate is false: only users of the sender's server may take part

	privileged bool
}

// ParseCreate parses a create event. It fails on one that the rules do not allow because of its content.
func ParseCreate(e *event.Event) (*Create, error) {
	v := e.Version()
	c := &Create{
		Event:      e.ID(),
		Room:       e.Room(),
		Sender:     e.Sender(),
		Creator:    e.Sender(),
		Federate:   string(canon.Get(e.Content(), "m.federate")) != "false",
		privileged: v.CreatorsPrivileged,
	}
	if !v.ImplicitCreator {
		value := canon.Get(e.Content(), "creator")
		if value == nil {
			return nil, errors.New("there is no creator")
		}
		creator, _ := canon.String(value)
		c.Creator = id.User(creator)
	}
	if v.CreatorsPrivileged {
		additional, err := additionalCreators(e.Content())
		if err != nil {
			return nil, err
		}
		c.Additional = additional
	}
	return c, nil
}

// additionalCreators is content.additional_creators.
func additionalCreators(content []byte) ([]id.User, error) {
	value := canon.Get(content, "additional_creators")
	if value == nil {
		return nil, nil
	}
	if !bytes.HasPrefix(value, []byte("[")) {
		return nil, errors.New("additional_creators is not an array")
	}
	var list []id.User
	for users := canon.OpenArray(value); ; {
		value, ok := users.Next()
		if !ok {
			return list, nil
		}
		s, isString := canon.String(value)
		if !isString {
			return nil, errors.New("an additional creator is not a string")
		}
		user, err := id.ParseUser(s)
		if err != nil {
			return nil, fmt.Errorf("additional creator: %w", err)
		}
		list = append(list, user)
	}
}

// Privileged says whether the user's power is infinitely high for being a creator of the room (v12, "Authorisation rules").
func (c *Create) Privileged(u id.User) bool {
	return c.privileged && (u == c.Sender || len(c.Additional) > 0 && slices.Contains(c.Additional, u))
}

// create is the rules on m.room.create, rule 1 everywhere.
func (c *check) create() error {
	e, v := c.e, c.e.Version()
	if len(e.Prev()) > 0 {
		return refuse(c.n.create, ".1", "a create event must not have previous events")
	}
	if v.RoomIDIsCreateHash {
		if canon.Get(e.Bytes(), "room_id") != nil {
			return refuse(c.n.create, ".2", "a create event must not have a room id")
		}
	} else if e.Room().Server() != e.Sender().Server() {
		return refuse(c.n.create, ".2", "%s may not create a room of %s", e.Sender(), e.Room().Server())
	}
	if value := canon.Get(e.Content(), "room_version"); value != nil {
		name, _ := canon.String(value)
		if _, known := version.Lookup(name); !known {
			return refuse(c.n.create, ".3", "the room version is not known")
		}
	}
	// Rule 1.4 is on the creator in versions 1 to 10, on the additional creators in version 12.
	if _, err := ParseCreate(e); err != nil {
		return refuse(c.n.create, ".4", "%s", err)
	}
	return nil
}

// room is the rules that tie the event to its room's create event: it is there, it is this room's, and it does not keep
// the sender's server out.
func (c *check) room() error {
	create := c.s.Create
	if create == nil {
		if c.e.Version().RoomIDIsCreateHash {
			return refuse(c.n.room, "", "the room id is not that of an accepted create event")
		}
		return refuse(c.n.auth, ".4", "there is no create event")
	}
	if create.Room != c.e.Room() {
		return refuse(c.n.room, "", "the event is of room %s, the create event of %s", c.e.Room(), create.Room)
	}
	if !create.Federate && c.e.Sender().Server() != create.Sender.Server() {
		return refuse(c.n.federate, "", "only users of %s may take part in this room", create.Sender.Server())
	}
	return nil
}
