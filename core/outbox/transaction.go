package outbox

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/canon"
)

// What a transaction holds at most (Server-Server API, "Transactions"), and bytes past which nothing is added to it.
const (
	maxPDUs  = 50
	maxEDUs  = 100
	maxBytes = 4 << 20
)

// transaction is what is sent to one server at once.
type transaction struct {
	id    string
	body  []byte
	count int       // events and messages
	first time.Time // when it was first sent

	// What it is made of, for when it has arrived.
	live    int        // so many of the live events
	steps   []step     // through gaps
	disk    mark       // EDUs from the disk up to here; zero for none
	passing []*passing // those of them

	events int
	tries  int      // of one that has a single thing in it
	kinds  []string // of the EDUs
}

func newRun() string { return rand.Text()[:12] }

// plan is what a destination has to be sent, as it was when it was looked at.
type plan struct {
	live    []*item
	gaps    []open
	waiting bool // EDUs on disk
	sent    mark
	passing []*passing
	pdus    int // at most so many
	edus    int
	held    bool // gaps are held back
}

// planLocked looks at what there is to send. o.mu is held.
func (o *Outbox) planLocked(d *destination) plan {
	now := o.Now()
	d.passing = slices.DeleteFunc(d.passing, func(p *passing) bool { return now.Sub(p.at) > passes })
	p := plan{gaps: d.openGaps(), waiting: d.waiting, sent: d.sent, passing: slices.Clone(d.passing), pdus: maxPDUs, edus: maxEDUs}
	if len(p.gaps) > 0 && p.gaps[0].kind == rest && o.holdBack(d) {
		p.gaps, p.held = nil, true
	}
	if d.most > 0 {
		p.pdus, p.edus = min(d.most, maxPDUs), d.most
	}
	if len(p.gaps) == 0 || p.gaps[0].kind != missed {
		n := p.pdus
		if len(p.gaps) > 0 {
			n = max(1, n*4/5) // what is missing comes too, however much is new
		}
		p.live = slices.Clone(d.live[:min(n, len(d.live))])
	}
	d.waiting, d.held = false, len(p.live)
	return p
}

func (p *plan) empty() bool {
	return len(p.live) == 0 && len(p.gaps) == 0 && !p.waiting && len(p.passing) == 0
}

// draft is a transaction that is being put together.
type draft struct {
	pdus  [][]byte
	edus  []edu
	bytes int
}

func (f *draft) add(pdu []byte) {
	f.pdus = append(f.pdus, pdu)
	f.bytes += len(pdu)
}

// compose makes the next transaction of a destination. It may be empty of everything but steps. more says that more than the
// plan knew waits on the disk.
func (o *Outbox) compose(ctx context.Context, d *destination, p plan) (t *transaction, more bool, err error) {
	t = new(transaction)
	var f draft
	for _, it := range p.live {
		f.add(it.body)
	}
	t.live = len(p.live)
	if len(p.gaps) > 0 || p.waiting {
		select {
		case o.readers <- struct{}{}:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		err := o.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			if t.steps, err = o.catchUp(tx, d, p, &f); err != nil || !p.waiting {
				return err
			}
			t.disk, more, err = o.waitingEDUs(tx, d, p, &f)
			return err
		})
		<-o.readers
		if err != nil {
			return nil, false, err
		}
	}
	for _, m := range p.passing {
		if len(f.edus) >= p.edusLeft(&f) || f.bytes > maxBytes {
			break
		}
		f.edus = append(f.edus, edu{m.kind, m.content})
		t.passing = append(t.passing, m)
	}
	t.events, t.count = len(f.pdus), len(f.pdus)+len(f.edus)
	for _, e := range f.edus {
		t.kinds = append(t.kinds, e.kind)
	}
	if t.count > 0 {
		t.id = o.run + strconv.FormatInt(o.txns.Add(1), 36)
		t.body = o.bodyOf(&f, p.live)
	}
	return t, more, nil
}

// edusLeft is how many EDUs a transaction may have.
func (p *plan) edusLeft(f *draft) int {
	if p.edus < maxEDUs { // it is to be small
		return max(0, p.edus-len(f.pdus))
	}
	return p.edus
}

// bodyOf writes the JSON of a transaction. Those of the same events alone are the same, and in memory once.
func (o *Outbox) bodyOf(f *draft, live []*item) []byte {
	if len(f.edus) > 0 || len(f.pdus) > len(live) {
		return o.write(f)
	}
	key := make([]byte, 0, 8*len(live))
	for _, it := range live {
		key = binary.BigEndian.AppendUint64(key, uint64(it.pos))
	}
	return o.bodies.get(string(key), func() []byte { return o.write(f) })
}

// write writes it in canonical form.
func (o *Outbox) write(f *draft) []byte {
	size := f.bytes + len(f.pdus) + 100 + len(o.Server)
	for _, e := range f.edus {
		size += len(e.kind) + 40
	}
	b := append(make([]byte, 0, size), '{')
	if len(f.edus) > 0 {
		b = append(b, `"edus":[`...)
		for i, e := range f.edus {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, `{"content":`...), e.content...)
			b = append(canon.AppendString(append(b, `,"edu_type":`...), e.kind), '}')
		}
		b = append(b, `],`...)
	}
	b = canon.AppendString(append(b, `"origin":`...), o.Server)
	b = append(strconv.AppendInt(append(b, `,"origin_server_ts":`...), o.Now().UnixMilli(), 10), `,"pdus":[`...)
	for i, pdu := range f.pdus {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, pdu...)
	}
	return append(b, `]}`...)
}

// question is the request that sends it.
func (t *transaction) question(d *destination, now bool) peer.Question {
	return peer.Question{
		Server: d.server, Method: http.MethodPut, Path: "/_matrix/federation/v1/send/" + url.PathEscape(t.id), Content: body(t.body), Now: now,
	}
}

// body is JSON in canonical form.
type body []byte

// MarshalJSON gives it as it is.
func (b body) MarshalJSON() ([]byte, error) { return b, nil }

// bodies are those that were made of late, as many servers are sent the same.
type bodies struct {
	mu    sync.Mutex        // guards all below; held while a body is made, as others wait for the same
	m     map[string][]byte // bounded by maxBodies
	order []string          // bounded by maxBodies
}

// limit: bodies of transactions in memory that servers have in common | %d, of 4 MiB at most | the oldest goes
const maxBodies = 16

func (b *bodies) get(key string, make func() []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if body := b.m[key]; body != nil {
		return body
	}
	if b.m == nil {
		b.m = map[string][]byte{}
	}
	if len(b.order) >= maxBodies {
		delete(b.m, b.order[0])
		b.order = append(b.order[:0], b.order[1:]...)
	}
	body := make()
	b.m[key], b.order = body, append(b.order, key)
	return body
}
