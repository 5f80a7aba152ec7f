package person

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// sqlNamesLike escapes with ! because \ means something to one engine's string syntax and not to the other's.
const (
	sqlNamesLike = `SELECT user_id FROM profile WHERE field = 'displayname' AND folded LIKE $1 ESCAPE '!'`
	sqlPublic    = `SELECT user_id, field, value FROM profile WHERE user_id IN ({list $1}) AND field IN ('displayname', 'avatar_url')`
)

// Found is somebody the user directory shows. The name and picture are those of the profile, never those of a room.
type Found struct {
	User        id.User
	DisplayName string
	AvatarURL   string
}

const maxFound = 50

// Search looks for term in the user ids and display names of whom the searcher may see: whoever shares a room with them,
// and whoever is in a room open to everybody (https://spec.matrix.org/v1.18/client-server-api/#user-directory). The
// searcher is found only in such an open room. Ids and names that begin with the term come first. more says that limit
// cut the answer.
func (p *People) Search(ctx context.Context, searcher id.User, term string, limit int) (found []Found, more bool, err error) {
	term = strings.ToLower(strings.TrimSpace(term))
	if limit <= 0 {
		limit = 10
	}
	limit = min(limit, maxFound)
	if term == "" || len(term) > id.MaxLength || strings.IndexByte(term, 0) >= 0 {
		return nil, false, nil
	}
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		visible, err := p.visible(tx, searcher)
		if err != nil {
			return err
		}
		named, err := namesLike(tx, term)
		if err != nil {
			return err
		}
		hits := visible[:0]
		for _, u := range visible {
			if named[u] || strings.Contains(strings.ToLower(string(u)), term) {
				hits = append(hits, u)
			}
		}
		slices.SortFunc(hits, func(a, b id.User) int {
			if ra, rb := rank(a, term), rank(b, term); ra != rb {
				return ra - rb
			}
			return strings.Compare(string(a), string(b))
		})
		if more = len(hits) > limit; more {
			hits = hits[:limit]
		}
		found, err = p.faces(tx, hits)
		return err
	})
	return found, more, err
}

// rank is 0 for an id that begins with the term, with or without its sigil.
func rank(u id.User, term string) int {
	s := strings.ToLower(string(u))
	if strings.HasPrefix(s, term) || strings.HasPrefix(s[1:], term) {
		return 0
	}
	return 1
}

func (p *People) visible(tx *sqldb.Tx, searcher id.User) ([]id.User, error) {
	open, err := p.Rooms.PublicUsers(tx)
	if err != nil {
		return nil, err
	}
	shared, err := p.Rooms.SharedUsers(tx, searcher)
	if err != nil {
		return nil, err
	}
	shared = slices.DeleteFunc(shared, func(u id.User) bool { return u == searcher })
	all := slices.Concat(open, shared)
	slices.Sort(all)
	return slices.Compact(all), nil
}

func namesLike(tx *sqldb.Tx, term string) (map[id.User]bool, error) {
	pattern := "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(term) + "%"
	rows, err := tx.Query(sqlNamesLike, pattern)
	if err != nil {
		return nil, fmt.Errorf("search display names: %w", err)
	}
	defer rows.Close()
	named := map[id.User]bool{}
	for rows.Next() {
		var u string
		if err := rows.Scan(&u); err != nil {
			return nil, fmt.Errorf("search display names: %w", err)
		}
		named[id.User(u)] = true
	}
	return named, rows.Err()
}

// faces reads the names and pictures of users, in their order.
func (p *People) faces(tx *sqldb.Tx, users []id.User) ([]Found, error) {
	found := make([]Found, len(users))
	at := make(map[id.User]*Found, len(users))
	for i, u := range users {
		found[i].User = u
		at[u] = &found[i]
	}
	rows, err := tx.Query(sqlPublic, sqldb.List(users))
	if err != nil {
		return nil, fmt.Errorf("read profiles: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u, field string
		var value []byte
		if err := rows.Scan(&u, &field, &value); err != nil {
			return nil, fmt.Errorf("read profiles: %w", err)
		}
		if f := at[id.User(u)]; field == fieldName {
			f.DisplayName = text(value)
		} else {
			f.AvatarURL = text(value)
		}
	}
	return found, rows.Err()
}
