package account

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	seenEvery = 30 * time.Second // a session that makes more requests than that is noted once
	// limit: devices seen within a minute, in memory | %d of at most 1 KiB | more are not noted
	seenMax   = 100_000 // devices noted between two flushes; more are not
	seenBatch = 500     // devices written at a time, so that other writes need not wait for long
	agentMax  = 256     // bytes kept of a user agent
)

type deviceKey struct {
	user   id.User
	device id.Device
}

type sighting struct {
	at    int64
	ip    netip.Addr
	agent string
}

// seenLog holds when and from where devices were last seen, until it is written.
type seenLog struct {
	mu    sync.Mutex             // guards notes
	notes map[deviceKey]sighting // bounded by seenMax
}

func newSeenLog() *seenLog { return &seenLog{notes: map[deviceKey]sighting{}} }

// Seen notes that the session made a request. It costs next to nothing: FlushSeen writes.
func (a *Accounts) Seen(s *Session, ip netip.Addr, agent string) {
	now := a.now()
	last := s.seen.Load()
	if now-last < seenEvery.Milliseconds() && now >= last || !s.seen.CompareAndSwap(last, now) {
		return
	}
	if len(agent) > agentMax {
		agent = agent[:agentMax]
	}
	agent = strings.ToValidUTF8(agent, "?") // the database takes no other text
	l := a.seen
	l.mu.Lock()
	defer l.mu.Unlock()
	key := deviceKey{s.User, s.Device}
	if _, known := l.notes[key]; known || len(l.notes) < seenMax {
		l.notes[key] = sighting{now, ip, agent}
	}
}

// FlushSeen writes when devices were last seen. It is meant to be called once a minute; what is lost in a crash is not
// missed.
func (a *Accounts) FlushSeen(ctx context.Context) error {
	l := a.seen
	l.mu.Lock()
	notes := l.notes
	l.notes = map[deviceKey]sighting{}
	l.mu.Unlock()
	if len(notes) == 0 {
		return nil
	}
	keys := slices.Collect(maps.Keys(notes))
	for some := range slices.Chunk(keys, seenBatch) {
		err := a.DB.Write(ctx, func(tx *sqldb.Tx) error {
			for _, key := range some {
				n := notes[key]
				if err := tx.Put(`UPDATE account_device SET seen = $3, seen_ip = $4, seen_agent = $5
					WHERE user_id = $1 AND device_id = $2`, key.user, key.device, n.at, address(n.ip), n.agent); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write when devices were seen: %w", err)
		}
	}
	return nil
}

// fill puts in what has not been written yet.
func (l *seenLog) fill(user id.User, d *Device) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.notes[deviceKey{user, d.Device}]; ok {
		d.Seen, d.SeenIP, d.SeenAgent = time.UnixMilli(n.at), address(n.ip), n.agent
	}
}

func (l *seenLog) forget(user id.User, devices []id.Device) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range devices {
		delete(l.notes, deviceKey{user, d})
	}
}

func address(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}
