package peer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
)

// SignEvent asks a room's policy server to sign an event, and gives its signature in base64, which is not looked at
// (https://spec.matrix.org/v1.19/server-server-api/#post_matrixpolicyv1sign). Errors: what the policy server says, word for
// word; M_FORBIDDEN where there is to be no traffic with it, and M_CONNECTION_FAILED where it does not answer.
func (p *Peers) SignEvent(ctx context.Context, server id.Server, event []byte) (signature string, err error) {
	var signatures map[id.Server]map[id.Key]string
	q := Question{Server: server, Method: http.MethodPost, Path: "/_matrix/policy/v1/sign", Content: json.RawMessage(event), Now: true}
	err = p.Ask(ctx, q, &signatures)
	if no, is := errors.AsType[*AnswerError](err); is && no.Status >= 400 && no.Status < 500 {
		return "", fault.New(no.Code, no.Text).WithStatus(no.Status).Because(err)
	}
	if fault.Is(err, fault.Forbidden) {
		return "", err
	}
	if err != nil {
		return "", fault.Newf(fault.ConnectionFailed, "%s, which this room wants to be asked about every event, does not answer", server).Because(err)
	}
	return signatures[server][policy.Key], nil
}
