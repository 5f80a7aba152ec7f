package peer

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Key is a server's key and the time it is for (https://spec.matrix.org/v1.19/server-server-api/#publishing-keys).
type Key struct {
	Public     ed25519.PublicKey
	ValidUntil int64 // milliseconds: what is signed up to then is signed by it
	Expired    int64 // milliseconds: since when it is no longer in use; 0 while it is
	Stale      bool  // it should have been fetched anew, and could not be
}

// SignedAt says whether an event of that time, in milliseconds, may be signed with the key.
func (k Key) SignedAt(ms int64) bool {
	if k.Expired != 0 {
		return ms < k.Expired
	}
	return ms <= k.ValidUntil || k.Stale
}

// keyOf names a key.
type keyOf struct {
	server id.Server
	key    id.Key
}

// limit: keys of other servers in memory | %d of some 300 bytes | all are read from the disk again
const maxKeys = 20_000

// The bounds of what one server publishes.
const (
	maxCurrent  = 20
	maxOld      = 500
	longestKey  = 7 * 24 * time.Hour // for which a key is taken to be valid, whatever is said
	keyPath     = "/_matrix/key/v2/server"
	maxKeyBytes = 256 << 10
)

// ErrNoKey says that a server publishes no such key.
var ErrNoKey = errors.New("the server has no such key")

const (
	sqlKey    = `SELECT public, valid_until, expired FROM peer_key WHERE server = $1 AND key_id = $2`
	sqlPutKey = `INSERT INTO peer_key (server, key_id, public, valid_until, expired, seen) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (server, key_id) DO UPDATE SET public = excluded.public, valid_until = excluded.valid_until, expired = excluded.expired, seen = excluded.seen`
	sqlRetire = `UPDATE peer_key SET expired = CASE WHEN valid_until < $2 THEN valid_until ELSE $2 END
		WHERE server = $1 AND expired = 0 AND key_id NOT IN ({list $3})`
	sqlPutDoc = `INSERT INTO peer_key_document (server, document, fetched) VALUES ($1, $2, $3)
		ON CONFLICT (server) DO UPDATE SET document = excluded.document, fetched = excluded.fetched`
	sqlDoc = `SELECT document FROM peer_key_document WHERE server = $1`
)

// Key finds a server's key that is good for something signed at a time in milliseconds: in memory, on disk, or by asking the
// server, also one that was not reached of late, as somebody speaks in its name now. When it cannot be asked, a key that was known before is given as Stale. Errors: ErrNoKey, or why the server was
// not reached.
func (p *Peers) Key(ctx context.Context, server id.Server, key id.Key, at int64) (Key, error) {
	if server == p.Signer.Server {
		if key != p.Signer.Key {
			if k, ok := p.former[key]; ok {
				return k, nil
			}
			return Key{}, ErrNoKey
		}
		return Key{Public: p.Signer.Private.Public().(ed25519.PublicKey), ValidUntil: p.Now().Add(longestKey).UnixMilli()}, nil
	}
	k, found, err := p.stored(ctx, keyOf{server, key})
	if err != nil {
		return Key{}, err
	}
	if found && (k.Expired != 0 || at <= k.ValidUntil) {
		return k, nil
	}
	err = p.FetchKeys(ctx, server)
	if _, waits := errors.AsType[*WaitError](err); waits && !found && p.mayFetch(server) {
		err = p.fetch(ctx, server, true)
	}
	if err != nil {
		if found {
			k.Stale = true
			return k, nil
		}
		return Key{}, err
	}
	if k, found, err = p.stored(ctx, keyOf{server, key}); err == nil && !found {
		err = ErrNoKey
	}
	return k, err
}

// Former tells which keys this server itself signed with before, as its own events come back to it. It is called before
// anything else.
func (p *Peers) Former(keys map[id.Key]Key) { p.former = keys }

// stored is a key from memory or from the disk.
func (p *Peers) stored(ctx context.Context, of keyOf) (k Key, found bool, err error) {
	p.mu.Lock()
	k, found = p.keys[of]
	p.mu.Unlock()
	if found {
		return k, true, nil
	}
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var public []byte
		err := tx.Row(sqlKey, of.server, of.key).Scan(&public, &k.ValidUntil, &k.Expired)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		k.Public, found = public, err == nil
		return err
	})
	if found {
		p.remember(of, k)
	}
	return k, found, err
}

func (p *Peers) remember(of keyOf, k Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.keys) >= maxKeys {
		clear(p.keys)
	}
	p.keys[of] = k
}

// fetching is a server's keys on their way; err is set before done is closed.
type fetching struct {
	done chan struct{}
	err  error
}

// FetchKeys asks a server for its keys and keeps them. Who asks while another does waits for that answer.
func (p *Peers) FetchKeys(ctx context.Context, server id.Server) error {
	return p.fetch(ctx, server, false)
}

// fetch is FetchKeys; now asks a server before it is its turn again.
func (p *Peers) fetch(ctx context.Context, server id.Server, now bool) error {
	p.mu.Lock()
	for running := p.calls[server]; running != nil; running = p.calls[server] {
		p.mu.Unlock()
		select {
		case <-running.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !errors.Is(running.err, context.Canceled) { // who asked has given up, and this one has not
			return running.err
		}
		p.mu.Lock()
	}
	mine := &fetching{done: make(chan struct{})}
	p.calls[server] = mine
	p.mu.Unlock()
	mine.err = p.fetchKeys(ctx, server, now)
	p.mu.Lock()
	delete(p.calls, server)
	p.mu.Unlock()
	close(mine.done)
	return mine.err
}

func (p *Peers) fetchKeys(ctx context.Context, server id.Server, now bool) error {
	if err := p.waiting(server); err != nil && !now {
		return err
	}
	status, body, err := p.send(ctx, server, func(route Route) (*http.Request, error) {
		return http.NewRequestWithContext(route.reach(ctx), http.MethodGet, route.url(keyPath), nil) // it needs no signature
	})
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return p.failed(ctx, server, refusal(server, status, body))
	}
	p.report(ctx, server, nil)
	d, err := readDocument(server, body, p.Now())
	if err != nil {
		return fmt.Errorf("the keys of %s: %w", server, err)
	}
	return p.keep(ctx, server, d)
}

// document is what a server publishes of its keys, checked.
type document struct {
	bytes []byte
	until int64 // milliseconds, as it says
	keys  map[id.Key]Key
	pins  []string // hashes of the certificates that it shows
}

// readDocument checks that the server itself signed what is said to be its keys. A key that is in use and did not sign is left
// out.
func readDocument(server id.Server, b []byte, now time.Time) (*document, error) {
	var said struct {
		Server     id.Server `json:"server_name"`
		ValidUntil int64     `json:"valid_until_ts"`
		Current    map[string]struct {
			Key string `json:"key"`
		} `json:"verify_keys"`
		Old map[string]struct {
			Key     string `json:"key"`
			Expired int64  `json:"expired_ts"`
		} `json:"old_verify_keys"`
		TLS json.RawMessage `json:"org.freehold.tls"` // PinField
	}
	if len(b) > maxKeyBytes {
		return nil, errors.New("they are too long")
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, err
	}
	switch {
	case said.Server != server:
		return nil, fmt.Errorf("they are of %q", said.Server)
	case len(said.Current) > maxCurrent || len(said.Old) > maxOld:
		return nil, errors.New("they are too many")
	}
	until := min(said.ValidUntil, now.Add(longestKey).UnixMilli())
	d := &document{bytes: b, until: said.ValidUntil, keys: map[id.Key]Key{}, pins: readPins(said.TLS)}
	for name, k := range said.Old {
		key, public, ok := parseKey(name, k.Key)
		if ok && k.Expired > 0 {
			d.keys[key] = Key{Public: public, ValidUntil: k.Expired, Expired: k.Expired}
		}
	}
	signed := false
	for name, k := range said.Current {
		key, public, ok := parseKey(name, k.Key)
		if !ok || event.VerifyJSON(b, string(server), key, public) != nil {
			continue
		}
		signed = true
		d.keys[key] = Key{Public: public, ValidUntil: until}
	}
	if !signed {
		return nil, errors.New("none of the keys in use has signed them")
	}
	return d, nil
}

// names says whether the document stands for a certificate.
func (d *document) names(pin string) bool { return slices.Contains(d.pins, pin) }

func parseKey(name, text string) (id.Key, ed25519.PublicKey, bool) {
	key, err := id.ParseKey(name)
	if err != nil || !strings.HasPrefix(name, "ed25519:") {
		return "", nil, false
	}
	public, err := event.DecodeBase64(text)
	return key, public, err == nil && len(public) == ed25519.PublicKeySize
}

// keep writes a server's keys. Those in use before and not mentioned any more end now.
func (p *Peers) keep(ctx context.Context, server id.Server, d *document) error {
	now := p.Now().UnixMilli()
	names := make([]id.Key, 0, len(d.keys))
	for key := range d.keys {
		names = append(names, key)
	}
	err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(sqlDropVia, server); err != nil {
			return err
		}
		for key, k := range d.keys {
			if _, err := tx.Exec(sqlPutKey, server, key, []byte(k.Public), k.ValidUntil, k.Expired, now); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(sqlRetire, server, now, sqldb.List(names)); err != nil {
			return err
		}
		_, err := tx.Exec(sqlPutDoc, server, d.bytes, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the keys of %s: %w", server, err)
	}
	p.forgetKeys(server)
	p.mu.Lock()
	p.of(server).told = p.Now()
	p.mu.Unlock()
	return nil
}

// Document is what a server last published of its keys, as it was sent; nil when this server never saw any.
func (p *Peers) Document(ctx context.Context, server id.Server) (b []byte, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		err := tx.Row(sqlDoc, server).Scan(&b)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return b, err
}
