package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// SendToDeviceRequest is PUT /sendToDevice/{eventType}/{txnId}. The device "*" stands for all devices of a user.
type SendToDeviceRequest struct {
	Type     string                                    `path:"type" json:"-"`
	Txn      string                                    `path:"txnID" json:"-"`
	Messages map[id.User]map[id.Device]json.RawMessage `json:"messages"`
}
