package person

import (
	"context"
	"encoding/json"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Tags of a room are the account data m.tag of that room: https://spec.matrix.org/v1.18/client-server-api/#room-tagging
const typeTag = "m.tag"

const (
	maxTag  = 255 // bytes of a tag's name
	maxTags = 100 // tags of one room
)

// Tags reads the user's tags of a room by name.
func (p *People) Tags(ctx context.Context, user id.User, room id.Room) (map[string]json.RawMessage, error) {
	var tags map[string]json.RawMessage
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		content, err := readDatum(tx, user, room, typeTag)
		tags = parseTags(content)
		return err
	})
	return tags, err
}

// SetTag puts a tag on a room, or replaces what it says.
func (p *People) SetTag(ctx context.Context, user id.User, room id.Room, tag string, info json.RawMessage) error {
	if tag == "" || len(tag) > maxTag {
		return fault.New(fault.InvalidParam, "A tag has 1 to 255 bytes")
	}
	if err := object(info); err != nil {
		return err
	}
	return p.changeTags(ctx, user, room, func(tags map[string]json.RawMessage) error {
		tags[tag] = info
		if len(tags) > maxTags {
			return fault.New(fault.ResourceLimitExceeded, "A room has at most 100 tags")
		}
		return nil
	})
}

// DropTag takes a tag off a room; it need not be there.
func (p *People) DropTag(ctx context.Context, user id.User, room id.Room, tag string) error {
	return p.changeTags(ctx, user, room, func(tags map[string]json.RawMessage) error {
		delete(tags, tag)
		return nil
	})
}

func (p *People) changeTags(ctx context.Context, user id.User, room id.Room, change func(map[string]json.RawMessage) error) error {
	err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		content, err := readDatum(tx, user, room, typeTag)
		if err != nil {
			return err
		}
		tags := parseTags(content)
		if err := change(tags); err != nil {
			return err
		}
		content, err = json.Marshal(map[string]any{"tags": tags})
		if err != nil {
			return err
		}
		return p.putDatum(tx, user, room, typeTag, content)
	})
	if err == nil {
		p.wake(user)
	}
	return err
}

// parseTags is lenient: a client may have written anything into m.tag by way of account data.
func parseTags(content json.RawMessage) map[string]json.RawMessage {
	var outer struct {
		Tags map[string]json.RawMessage `json:"tags"`
	}
	if json.Unmarshal(content, &outer) != nil || outer.Tags == nil {
		return map[string]json.RawMessage{}
	}
	return outer.Tags
}
