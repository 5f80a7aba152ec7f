package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// synced is the part of a sync that the readers look at.
type synced struct {
	Next  string `json:"next_batch"`
	Rooms struct {
		Join map[string]struct {
			Timeline struct {
				Events []struct {
					Type    string
					Content struct{ Body string }
				}
			}
		}
	}
}

const filter = `{"room":{"timeline":{"limit":100}},"presence":{"not_types":["*"]}}`

func firstSync(ctx context.Context, s *server, token string) (since string, err error) {
	var out synced
	err = s.call(ctx, http.MethodGet, "/_matrix/client/v3/sync?filter="+url.QueryEscape(filter), token, nil, &out)
	return out.Next, err
}

// readAlong syncs until it has seen so many messages, and says how long each took to arrive. It ends early when the
// run ends.
func readAlong(ctx context.Context, s *server, token, since string, messages int) times {
	var took times
	for len(took) < messages && ctx.Err() == nil {
		var out synced
		path := "/_matrix/client/v3/sync?timeout=5000&since=" + since + "&filter=" + url.QueryEscape(filter)
		if err := s.call(ctx, http.MethodGet, path, token, nil, &out); err != nil {
			return took
		}
		now := time.Now()
		since = out.Next
		for _, room := range out.Rooms.Join {
			for _, e := range room.Timeline.Events {
				at, _, _ := strings.Cut(e.Content.Body, " ")
				if n, err := strconv.ParseInt(at, 10, 64); err == nil && e.Type == "m.room.message" {
					took = append(took, now.Sub(time.Unix(0, n)))
				}
			}
		}
	}
	return took
}
