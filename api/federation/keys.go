package federation

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/peer"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// keyLife is how long others may use a published key before they ask again. Servers cache for at most seven days
// (Server-Server API, "Publishing Keys").
const keyLife = 24 * time.Hour

// maxKeyQuery is how many servers one query may name.
const maxKeyQuery = 500

// Retrieving server keys: https://spec.matrix.org/v1.19/server-server-api/#retrieving-server-keys
func (a *API) keyRows() []route.Row[Call] {
	return []route.Row[Call]{
		// Servers of before version 1.6 name the key they are looking for; the answer is the same.
		{Method: http.MethodGet, Path: "/_matrix/key/v2/server/{keyID?}", Limit: limit.Read, Serve: route.JSON(a.ownKeys)},
		{Method: http.MethodGet, Path: "/_matrix/key/v2/query/{serverName}", Limit: limit.Read, Serve: route.JSON(a.keysOf)},
		{Method: http.MethodPost, Path: "/_matrix/key/v2/query", Limit: limit.Read, Serve: route.JSON(a.keysOfMany)},
	}
}

type ownKeysRequest struct {
	KeyID string `path:"keyID"`
}

// keyAnswer is a signed object, sent as the very bytes that were signed with the signature put in.
type keyAnswer json.RawMessage

// Raw gives the bytes.
func (k *keyAnswer) Raw() []byte { return *k }

func (a *API) ownKeys(ctx context.Context, _ *Call, _ *ownKeysRequest) (*keyAnswer, error) {
	signed, err := a.signedKeys(ctx)
	return (*keyAnswer)(&signed), err
}

// signedKeys is the object that publishes this server's key, in canonical form.
func (a *API) signedKeys(ctx context.Context) ([]byte, error) {
	type verifyKey struct {
		Key     string `json:"key"`
		Expired int64  `json:"expired_ts,omitempty"`
	}
	former, err := a.Accounts.FormerKeys(ctx)
	if err != nil {
		return nil, err
	}
	old := make(map[id.Key]verifyKey, len(former))
	for _, k := range former {
		old[k.Key] = verifyKey{base64.RawStdEncoding.EncodeToString(k.Public), max(k.Until, 1)}
	}
	public := a.Signer.Private.Public().(ed25519.PublicKey)
	publish := map[string]any{
		"server_name":     a.Signer.Server,
		"valid_until_ts":  a.Now().Add(keyLife).UnixMilli(),
		"verify_keys":     map[id.Key]verifyKey{a.Signer.Key: {Key: base64.RawStdEncoding.EncodeToString(public)}},
		"old_verify_keys": old,
	}
	if pins := a.Pins(); len(pins) > 0 {
		publish[peer.PinField] = map[string][]string{"sha256": pins}
	}
	object, err := json.Marshal(publish)
	if err != nil {
		return nil, err
	}
	return event.SignJSON(object, string(a.Signer.Server), a.Signer.Key, a.Signer.Private)
}

type keysOfRequest struct {
	ServerName id.Server `path:"serverName"`
}

type keysOfManyRequest struct {
	ServerKeys map[id.Server]map[string]struct {
		MinimumValidUntil int64 `json:"minimum_valid_until_ts"`
	} `json:"server_keys"`
}

// keysOfResponse has the keys of servers, each as the server published it, with this one's signature added.
type keysOfResponse struct {
	ServerKeys []json.RawMessage `json:"server_keys"`
}

func (a *API) keysOf(ctx context.Context, _ *Call, r *keysOfRequest) (*keysOfResponse, error) {
	return a.query(ctx, r.ServerName)
}

func (a *API) keysOfMany(ctx context.Context, _ *Call, r *keysOfManyRequest) (*keysOfResponse, error) {
	if len(r.ServerKeys) > maxKeyQuery {
		return nil, fault.Newf(fault.TooLarge, "At most %d servers can be asked for at once", maxKeyQuery)
	}
	return a.query(ctx, slices.Sorted(maps.Keys(r.ServerKeys))...)
}

// query speaks for the servers whose keys this one has seen, and leaves the others out ("Querying Keys Through Another
// Server"). It does not go and ask: a stranger could have it knock at any door.
func (a *API) query(ctx context.Context, servers ...id.Server) (*keysOfResponse, error) {
	out := &keysOfResponse{ServerKeys: []json.RawMessage{}}
	for _, server := range servers {
		var signed []byte
		var err error
		if server == a.Signer.Server {
			signed, err = a.signedKeys(ctx)
		} else if signed, err = a.Peers.Document(ctx, server); err == nil && signed != nil {
			signed, err = event.SignJSON(signed, string(a.Signer.Server), a.Signer.Key, a.Signer.Private)
		}
		if err != nil {
			return nil, err
		}
		if signed != nil {
			out.ServerKeys = append(out.ServerKeys, signed)
		}
	}
	return out, nil
}
