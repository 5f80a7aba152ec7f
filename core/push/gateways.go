package push

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
)

// Gateway is a host that notifications go to.
type Gateway struct {
	Host    string
	Inside  bool  // it is told without https, which stays inside
	Users   int64 // who have pushers there; who has several with different addresses of one host counts for each
	Pushers int64
}

const sqlGateways = `SELECT url, count(DISTINCT user_id), count(*) FROM pusher GROUP BY url`

// Gateways lists where users' clients want notifications to be sent, those of most pushers first.
func (p *Push) Gateways(ctx context.Context) ([]Gateway, error) {
	byHost := map[string]*Gateway{}
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(byHost)
		rows, err := tx.Query(sqlGateways)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var address string
			var users, pushers int64
			if err := rows.Scan(&address, &users, &pushers); err != nil {
				return err
			}
			u, err := url.Parse(address)
			if err != nil {
				continue // it was checked when it was set
			}
			g := byHost[u.Scheme+u.Host]
			if g == nil {
				g = &Gateway{Host: u.Host, Inside: u.Scheme == "http"}
				byHost[u.Scheme+u.Host] = g
			}
			g.Users += users
			g.Pushers += pushers
		}
		return rows.Err()
	})
	var all []Gateway
	for _, g := range byHost {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b Gateway) int {
		if a.Pushers != b.Pushers {
			return int(b.Pushers - a.Pushers)
		}
		return strings.Compare(a.Host, b.Host)
	})
	return all, err
}
