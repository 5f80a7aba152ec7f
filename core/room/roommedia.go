package room

import (
	"bytes"
	"context"
	"encoding/json"
	"math"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The bounds of a search for the media of a room.
const (
	maxMediaEvents = 1_000_000
	maxMediaFound  = 100_000
)

const sqlRoomJSON = `SELECT e.pos, e.json FROM event e JOIN room r ON r.nid = e.room WHERE r.room_id = $1 AND e.pos < $2 ORDER BY e.pos DESC LIMIT 500`

// MediaIn lists the mxc URIs that the events of a room name, each once, those named last first. What is encrypted names
// nothing that the server could read. Errors: M_NOT_FOUND.
func (r *Rooms) MediaIn(ctx context.Context, room id.Room) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	before := sqldb.Pos(math.MaxInt64)
	for looked := 0; looked < maxMediaEvents && len(found) < maxMediaFound; {
		var bodies [][]byte
		err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
			there, err := r.Exists(tx, room)
			if err == nil && !there {
				err = errUnknownRoom
			}
			if err != nil {
				return err
			}
			bodies, err = sqldb.All(tx, func(row sqldb.Scanner) (body []byte, err error) {
				err = row.Scan(&before, &body)
				return body, err
			}, sqlRoomJSON, room, before)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, body := range bodies {
			for _, uri := range mediaOf(body) {
				if !seen[uri] && len(found) < maxMediaFound {
					seen[uri] = true
					found = append(found, uri)
				}
			}
		}
		looked += len(bodies)
		if len(bodies) < 500 {
			break
		}
	}
	return found, nil
}

// mediaOf lists the mxc URIs at the places of an event where the specification has them.
func mediaOf(body []byte) (uris []string) {
	if !bytes.Contains(body, []byte(`"mxc://`)) {
		return nil
	}
	var e struct {
		Content struct {
			URL    any `json:"url"`
			Avatar any `json:"avatar_url"`
			File   any `json:"file"`
			Info   any `json:"info"`
		} `json:"content"`
	}
	if json.Unmarshal(body, &e) != nil {
		return nil
	}
	add := func(v any) {
		if s, ok := v.(string); ok && len(s) > len("mxc://") && s[:len("mxc://")] == "mxc://" {
			uris = append(uris, s)
		}
	}
	add(e.Content.URL)
	add(e.Content.Avatar)
	if f, ok := e.Content.File.(map[string]any); ok {
		add(f["url"])
	}
	if info, ok := e.Content.Info.(map[string]any); ok {
		add(info["thumbnail_url"])
		if f, ok := info["thumbnail_file"].(map[string]any); ok {
			add(f["url"])
		}
	}
	return uris
}

// Size is how large a room is.
type Size struct {
	Room  id.Room
	Bytes int64 // of its events
}

// Largest lists the rooms with the most bytes of events. It reads the size of every event there is.
func (r *Rooms) Largest(ctx context.Context, limit int) (all []Size, err error) {
	if limit <= 0 {
		return nil, fault.New(fault.InvalidParam, "limit is a number from 1")
	}
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		all, err = sqldb.All(tx, func(row sqldb.Scanner) (s Size, err error) {
			err = row.Scan(&s.Room, &s.Bytes)
			return s, err
		}, `SELECT r.room_id, CAST(coalesce(sum(length(e.json)), 0) AS BIGINT) AS size FROM room r JOIN event e ON e.room = r.nid
			GROUP BY r.room_id ORDER BY size DESC, r.room_id LIMIT $1`, limit)
		return err
	})
	return all, err
}
