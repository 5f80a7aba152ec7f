package peer

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// A server that is gone has left its events behind. Whoever hands them on has seen its keys, and vouches for them
// ("Querying Keys Through Another Server"). That is less than having asked the server itself, so such keys are taken only of
// a server that never told its keys here, and forgotten when it does.

// maxNotary is how many servers one question to a notary names.
const maxNotary = 200

const (
	sqlNotaryKey = `INSERT INTO peer_key (server, key_id, public, valid_until, expired, seen, via) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (server, key_id) DO NOTHING`
	sqlToldItself = `SELECT count(*) FROM peer_key WHERE server = $1 AND via = ''`
	sqlDropVia    = `DELETE FROM peer_key WHERE server = $1 AND via <> ''`
)

// askNotary asks a server for the keys of others, and keeps what it vouches for. What it does not know, or cannot prove,
// stays unknown.
func (p *Peers) askNotary(ctx context.Context, notary id.Server, servers []id.Server) {
	for some := range slices.Chunk(servers, maxNotary) {
		if err := p.notaryKeys(ctx, notary, some); err != nil {
			p.Log.DebugContext(ctx, "a notary did not help", "server", notary, "cause", err)
			return
		}
	}
}

func (p *Peers) notaryKeys(ctx context.Context, notary id.Server, servers []id.Server) error {
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	type question struct {
		ServerKeys map[id.Server]struct{} `json:"server_keys"`
	}
	q := question{map[id.Server]struct{}{}}
	for _, server := range servers {
		q.ServerKeys[server] = struct{}{}
	}
	var answer struct {
		ServerKeys []json.RawMessage `json:"server_keys"`
	}
	err := p.Ask(ctx, Question{Server: notary, Method: http.MethodPost, Path: "/_matrix/key/v2/query", Content: q}, &answer)
	if err != nil {
		return err
	}
	for _, b := range answer.ServerKeys[:min(len(answer.ServerKeys), 2*len(servers))] {
		var said struct {
			Server id.Server `json:"server_name"`
		}
		if json.Unmarshal(b, &said) != nil || !slices.Contains(servers, said.Server) || !p.vouched(ctx, notary, b) {
			continue
		}
		d, err := readDocument(said.Server, b, p.Now())
		if err != nil {
			continue
		}
		if err := p.keepVia(ctx, said.Server, notary, d); err != nil {
			return err
		}
	}
	return nil
}

// vouched says whether the notary has signed the keys.
func (p *Peers) vouched(ctx context.Context, notary id.Server, b []byte) bool {
	var said struct {
		Signatures map[id.Server]map[id.Key]string `json:"signatures"`
	}
	if json.Unmarshal(b, &said) != nil {
		return false
	}
	tried := 0
	for name := range said.Signatures[notary] {
		if tried++; tried > maxSignedWith {
			break
		}
		key, found, err := p.stored(ctx, keyOf{notary, name})
		if err == nil && found && key.Expired == 0 && event.VerifyJSON(b, string(notary), name, key.Public) == nil {
			return true
		}
	}
	return false
}

// keepVia writes the keys of a server that never told its own.
func (p *Peers) keepVia(ctx context.Context, server, notary id.Server, d *document) error {
	now := p.Now().UnixMilli()
	err := p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		var itself int
		if err := tx.Row(sqlToldItself, server).Scan(&itself); err != nil || itself > 0 {
			return err
		}
		for key, k := range d.keys {
			if _, err := tx.Exec(sqlNotaryKey, server, key, []byte(k.Public), k.ValidUntil, k.Expired, now, notary); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		p.forgetKeys(server)
	}
	return err
}

// forgetKeys drops a server's keys from memory: the disk has newer ones.
func (p *Peers) forgetKeys(server id.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of := range p.keys {
		if of.server == server {
			delete(p.keys, of)
		}
	}
}
