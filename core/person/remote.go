package person

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"freehold.example/core/peer"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// RemoteProfile asks another server for the profile of one of its users, or for one field of it where that is not empty.
// Errors: M_NOT_FOUND, or that the server cannot be reached
// (https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1queryprofile).
func (p *People) RemoteProfile(ctx context.Context, user id.User, field string) (map[string]json.RawMessage, error) {
	if p.Peers == nil {
		return nil, errNoUser
	}
	q := url.Values{"user_id": {string(user)}}
	if field != "" {
		q.Set("field", field)
	}
	var fields map[string]json.RawMessage
	err := p.Peers.Ask(ctx, peer.Question{
		Server: user.Server(), Method: http.MethodGet, Path: "/_matrix/federation/v1/query/profile?" + q.Encode(), Now: true, Brief: true,
	}, &fields)
	if err != nil {
		return nil, peer.Said(err)
	}
	size := 0
	for name, value := range fields {
		if size += len(name) + len(value); size > maxProfile || checkField(name, value) != nil || string(value) == `""` {
			delete(fields, name) // nothing that a user of this server could not have; "" is how servers say that there is none
		}
	}
	return fields, nil
}

var errNoUser = fault.New(fault.NotFound, "There is no such user")
