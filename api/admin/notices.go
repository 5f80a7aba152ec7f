package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/core/notice"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// https://element-hq.github.io/synapse/latest/admin_api/server_notices.html
func noticeRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1/send_server_notice"
	does(t, http.MethodPost, path, t.api.sendNotice)
	does(t, http.MethodPut, path+"/{txnID}", t.api.repeatNotice)
}

// NoticeRequest is POST /_synapse/admin/v1/send_server_notice.
type NoticeRequest struct {
	User     id.User         `json:"user_id"`
	Type     string          `json:"type"`
	StateKey *string         `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

func (r *NoticeRequest) deed() (string, any) { return string(r.User), map[string]any{"type": r.Type} }

// RepeatNoticeRequest is PUT /_synapse/admin/v1/send_server_notice/{txnID}.
type RepeatNoticeRequest struct {
	Txn string `path:"txnID"`
	NoticeRequest
}

// NoticeResponse names the event that the user gets.
type NoticeResponse struct {
	Event id.Event `json:"event_id"`
}

func (a *API) sendNotice(ctx context.Context, by By, r *NoticeRequest) (*NoticeResponse, error) {
	return r.send(ctx, a.Notices, by, "")
}

func (a *API) repeatNotice(ctx context.Context, by By, r *RepeatNoticeRequest) (*NoticeResponse, error) {
	return r.send(ctx, a.Notices, by, r.Txn)
}

func (r *NoticeRequest) send(ctx context.Context, n *notice.Notices, by By, txn string) (*NoticeResponse, error) {
	switch {
	case r.User == "":
		return nil, fault.New(fault.MissingParam, "user_id says whom to tell")
	case len(r.Content) == 0 || r.Content[0] != '{':
		return nil, fault.New(fault.BadJSON, "content must be the content of the event to send")
	case r.StateKey != nil && r.Type == "":
		return nil, fault.New(fault.MissingParam, "A state event needs a type")
	}
	sent, err := n.Send(ctx, notice.Notice{To: r.User, Type: r.Type, StateKey: r.StateKey, Content: r.Content, By: by.User, Txn: txn})
	if err != nil {
		return nil, err
	}
	return &NoticeResponse{Event: sent}, nil
}
