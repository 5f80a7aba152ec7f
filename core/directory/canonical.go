package directory

import (
	"context"
	"encoding/json"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// named are the aliases in the content of an m.room.canonical_alias event.
type named struct {
	Alias *string  `json:"alias"`
	Alt   []string `json:"alt_aliases"`
}

func (n *named) all() []string {
	all := slices.Clone(n.Alt)
	if n.Alias != nil && *n.Alias != "" {
		all = append(all, *n.Alias)
	}
	return all
}

// maxNamed bounds the aliases of one canonical alias event that are looked up: more than fit into an event.
const maxNamed = 5000

// CheckCanonical refuses an m.room.canonical_alias event for the room whose new aliases do not lead to it. Those that the
// event before it has are taken as they are. in is empty for a room that is not made yet. Errors: M_INVALID_PARAM for what
// is no alias, M_BAD_ALIAS, M_BAD_JSON.
func (d *Directory) CheckCanonical(ctx context.Context, in id.Room, content []byte) error {
	var next named
	if err := json.Unmarshal(content, &next); err != nil {
		return fault.New(fault.BadJSON, "alias must be a string and alt_aliases a list of strings").Because(err)
	}
	if len(next.Alt) > maxNamed {
		return fault.New(fault.TooLarge, "There are too many alt_aliases")
	}
	return d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		old, err := d.canonicalNow(tx, in)
		if err != nil {
			return err
		}
		var before named
		if old != nil {
			_ = json.Unmarshal(old.Event.Content(), &before) // an event that somebody else made badly names nothing
		}
		known := before.all()
		for _, s := range next.all() {
			a, err := id.ParseAlias(s)
			if err != nil {
				return fault.New(fault.InvalidParam, "A room alias has the form #name:server").Because(err)
			}
			if slices.Contains(known, s) {
				continue
			}
			to, _, err := alias(tx, a)
			if err != nil {
				return err
			}
			if to == "" || to != in {
				return fault.Newf(fault.BadAlias, "%s does not lead to this room", a)
			}
		}
		return nil
	})
}

// canonicalNow reads the room's canonical alias event; nil when there is none.
func (d *Directory) canonicalNow(tx *sqldb.Tx, in id.Room) (*room.Stored, error) {
	now, err := d.Rooms.Current(tx, in)
	if err != nil || len(now) == 0 {
		return nil, err
	}
	return d.Rooms.StateEvent(tx, now[0].State, canonical, "")
}

// withdraw takes a deleted alias out of the room's canonical alias event, if the caller may.
func (d *Directory) withdraw(ctx context.Context, c Caller, in id.Room, a id.Alias) error {
	var content []byte
	err := d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		e, err := d.canonicalNow(tx, in)
		if err != nil || e == nil {
			return err
		}
		content, err = without(e.Event.Content(), a)
		return err
	})
	if err != nil || content == nil {
		return err
	}
	_, err = d.Rooms.SetState(ctx, c.Caller, in, canonical, "", content)
	if fault.Is(err, fault.Forbidden) {
		return nil // the alias is gone all the same
	}
	return err
}

// without is the content of a canonical alias event without the alias, or nil when it does not name it.
func without(content []byte, a id.Alias) ([]byte, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(content, &members); err != nil {
		return nil, err
	}
	found := false
	var main string
	if json.Unmarshal(members["alias"], &main) == nil && main == string(a) {
		delete(members, "alias")
		found = true
	}
	var alt []string
	if json.Unmarshal(members["alt_aliases"], &alt) == nil && slices.Contains(alt, string(a)) {
		found = true
		alt = slices.DeleteFunc(alt, func(s string) bool { return s == string(a) })
		delete(members, "alt_aliases")
		if len(alt) > 0 {
			b, err := json.Marshal(alt)
			if err != nil {
				return nil, err
			}
			members["alt_aliases"] = b
		}
	}
	if !found {
		return nil, nil
	}
	return json.Marshal(members)
}
