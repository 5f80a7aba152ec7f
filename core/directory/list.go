package directory

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// Query asks for a page of the directory.
type Query struct {
	Server id.Server // "": this one
	Limit  int       // 100 unless told otherwise
	Since  string    // where the page before ended, or the page after began
	Filter csapi.RoomFilter

	Network     Network // whose directory; none: that of this server
	AllNetworks bool    // all directories as one
	Instance    string  // the network as it is called towards another server
}

// Search lists published rooms, the largest first, or asks another server for its directory. Errors: M_INVALID_PARAM, or that
// the other server cannot be reached.
func (d *Directory) Search(ctx context.Context, q Query) (*csapi.PublicRoomsResponse, error) {
	if q.Server != "" && q.Server != d.Server {
		return d.searchRemote(ctx, &q)
	}
	at, err := parseCursor(q.Since)
	if err != nil {
		return nil, err
	}
	all, err := d.published(ctx, &q)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p csapi.PublicRoom) bool { return !matches(&p, &q.Filter) })
	slices.SortFunc(all, func(a, b csapi.PublicRoom) int { return compare(a.JoinedMembers, a.Room, b.JoinedMembers, b.Room) })
	return page(all, at, q.Limit), nil
}

func compare(joinedA int, a id.Room, joinedB int, b id.Room) int {
	return cmp.Or(cmp.Compare(joinedB, joinedA), cmp.Compare(a, b))
}

// page cuts the page at the cursor out of all rooms, which are sorted.
func page(all []csapi.PublicRoom, at cursor, limit int) *csapi.PublicRoomsResponse {
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	from := 0
	if at.room != "" {
		i, found := slices.BinarySearchFunc(all, at, func(p csapi.PublicRoom, at cursor) int {
			return compare(p.JoinedMembers, p.Room, at.joined, at.room)
		})
		switch {
		case at.back:
			from = max(0, i-limit)
			limit = i - from
		case found:
			from = i + 1
		default:
			from = i
		}
	}
	to := min(len(all), from+limit)
	out := &csapi.PublicRoomsResponse{Chunk: append([]csapi.PublicRoom{}, all[from:to]...), Total: len(all)}
	if to < len(all) && to > from {
		last := all[to-1]
		out.NextBatch = cursor{joined: last.JoinedMembers, room: last.Room}.String()
	}
	if from > 0 && to > from {
		first := all[from]
		out.PrevBatch = cursor{back: true, joined: first.JoinedMembers, room: first.Room}.String()
	}
	return out
}

// cursor is a place in the directory: just after a room, or with back just before it. It stays good when rooms come and go.
type cursor struct {
	back   bool
	joined int
	room   id.Room
}

func (c cursor) String() string {
	direction := "n"
	if c.back {
		direction = "p"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(direction + strconv.Itoa(c.joined) + " " + string(c.room)))
}

func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{}, nil
	}
	bad := fault.New(fault.InvalidParam, "since is not a token of this directory")
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != 'n' && b[0] != 'p' {
		return cursor{}, bad
	}
	joined, name, _ := strings.Cut(string(b[1:]), " ")
	n, err := strconv.Atoi(joined)
	if err != nil || n < 0 {
		return cursor{}, bad
	}
	in, err := id.ParseRoom(name)
	if err != nil {
		return cursor{}, bad
	}
	return cursor{back: b[0] == 'p', joined: n, room: in}, nil
}

func matches(p *csapi.PublicRoom, f *csapi.RoomFilter) bool {
	if f.Types != nil && !slices.ContainsFunc(f.Types, func(t *string) bool {
		return t == nil && p.RoomType == "" || t != nil && *t == p.RoomType
	}) {
		return false
	}
	if f.Term == "" {
		return true
	}
	term := strings.ToLower(f.Term)
	return slices.ContainsFunc([]string{p.Name, p.Topic, p.CanonicalAlias}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), term)
	})
}

// summary is what a room shows of itself, good for as long as its state stands.
type summary struct {
	now   room.Current
	shown csapi.PublicRoom
}

// published summarises the rooms of the directory in which there is somebody.
func (d *Directory) published(ctx context.Context, q *Query) (all []csapi.PublicRoom, err error) {
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		rooms, err := q.listed(tx)
		if err != nil {
			return err
		}
		now, err := d.Rooms.Current(tx, rooms...)
		if err != nil {
			return err
		}
		all = make([]csapi.PublicRoom, 0, len(now))
		for _, n := range now {
			p, err := d.Summary(tx, n)
			if err != nil {
				return err
			}
			if p.JoinedMembers > 0 {
				all = append(all, *p)
			}
		}
		return nil
	})
	return all, err
}

// limit: what public rooms and those in spaces show of themselves, in memory | %b | all is forgotten
const maxSummaries = 32 << 20

// cost is about how many bytes a summary takes.
func (s *summary) cost() int {
	p := &s.shown
	return 600 + len(p.Name) + len(p.Topic) + len(p.CanonicalAlias) + len(p.AvatarURL)
}

// Summary is what a room shows of itself to those outside, as it stands now.
func (d *Directory) Summary(tx *sqldb.Tx, now room.Current) (*csapi.PublicRoom, error) {
	d.mu.Lock()
	known, ok := d.summaries[now.RoomID]
	d.mu.Unlock()
	if ok && known.now == now {
		return &known.shown, nil
	}
	p, err := d.summarise(tx, now)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := summary{now, *p}
	if d.bytes+s.cost() > maxSummaries {
		clear(d.summaries)
		d.bytes = 0
	}
	if old, ok := d.summaries[now.RoomID]; ok {
		d.bytes -= old.cost()
	}
	d.summaries[now.RoomID] = s
	d.bytes += s.cost()
	return p, nil
}

func (d *Directory) summarise(tx *sqldb.Tx, now room.Current) (*csapi.PublicRoom, error) {
	p := &csapi.PublicRoom{Room: now.RoomID}
	var visibility, guests string
	for _, f := range []struct {
		to       *string
		typ, key string
	}{
		{&p.Name, "m.room.name", "name"},
		{&p.Topic, "m.room.topic", "topic"},
		{&p.CanonicalAlias, canonical, "alias"},
		{&p.AvatarURL, "m.room.avatar", "url"},
		{&p.JoinRule, "m.room.join_rules", "join_rule"},
		{&p.RoomType, "m.room.create", "type"},
		{&visibility, "m.room.history_visibility", "history_visibility"},
		{&guests, "m.room.guest_access", "guest_access"},
	} {
		s, err := d.text(tx, now.State, f.typ, f.key)
		if err != nil {
			return nil, err
		}
		*f.to = s
	}
	p.WorldReadable, p.GuestCanJoin = visibility == "world_readable", guests == "can_join"
	if p.JoinRule == "" {
		p.JoinRule = "invite" // what the authorisation rules take it for
	}
	var err error
	p.JoinedMembers, _, err = d.Rooms.Counts(tx, now.Room, now.State)
	return p, err
}

// text is the string under a key in the content of a state event, or "".
func (d *Directory) text(tx *sqldb.Tx, root pmap.Root, typ, key string) (string, error) {
	e, err := d.Rooms.StateEvent(tx, root, typ, "")
	if err != nil || e == nil {
		return "", err
	}
	s, _ := canon.String(canon.Get(e.Event.Content(), key))
	return s, nil
}
