package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// KeysUploadRequest is POST /keys/upload. Keys are kept as they were sent: they are signed.
type KeysUploadRequest struct {
	DeviceKeys   json.RawMessage            `json:"device_keys,omitempty"`
	OneTimeKeys  map[string]json.RawMessage `json:"one_time_keys,omitempty"` // by algorithm:id
	FallbackKeys map[string]json.RawMessage `json:"fallback_keys,omitempty"` // by algorithm:id
}

// KeysUploadResponse says how many one-time keys the device has left, by algorithm.
type KeysUploadResponse struct {
	OneTimeKeyCounts map[string]int `json:"one_time_key_counts"`
}

// KeysQueryRequest is POST /keys/query. No devices stands for all of a user's.
type KeysQueryRequest struct {
	DeviceKeys map[id.User][]id.Device `json:"device_keys"`
	Timeout    int64                   `json:"timeout,omitempty"` // ms, for other servers
}

// KeysQueryResponse is the identity keys of devices and users.
type KeysQueryResponse struct {
	DeviceKeys      map[id.User]map[id.Device]json.RawMessage `json:"device_keys"`
	MasterKeys      map[id.User]json.RawMessage               `json:"master_keys,omitempty"`
	SelfSigningKeys map[id.User]json.RawMessage               `json:"self_signing_keys,omitempty"`
	UserSigningKeys map[id.User]json.RawMessage               `json:"user_signing_keys,omitempty"`
	Failures        map[id.Server]Failure                     `json:"failures"`
}

// Failure says why one of many things did not happen.
type Failure struct {
	Code string `json:"errcode"`
	Text string `json:"error"`
}

// KeysClaimRequest is POST /keys/claim: the wanted algorithm of each device.
type KeysClaimRequest struct {
	OneTimeKeys map[id.User]map[id.Device]string `json:"one_time_keys"`
	Timeout     int64                            `json:"timeout,omitempty"` // ms, for other servers
}

// KeysClaimResponse is the claimed keys, by algorithm:id.
type KeysClaimResponse struct {
	OneTimeKeys map[id.User]map[id.Device]map[string]json.RawMessage `json:"one_time_keys"`
	Failures    map[id.Server]Failure                                `json:"failures"`
}

// KeysChangesRequest is GET /keys/changes.
type KeysChangesRequest struct {
	From string `query:"from,required" json:"-"`
	To   string `query:"to,required" json:"-"`
}

// KeysChangesResponse is whose devices are to be looked up again, and whose no longer.
type KeysChangesResponse struct {
	Changed []id.User `json:"changed"`
	Left    []id.User `json:"left"`
}

// SigningUploadRequest is POST /keys/device_signing/upload.
type SigningUploadRequest struct {
	MasterKey      json.RawMessage `json:"master_key,omitempty"`
	SelfSigningKey json.RawMessage `json:"self_signing_key,omitempty"`
	UserSigningKey json.RawMessage `json:"user_signing_key,omitempty"`
	Auth           *Auth           `json:"auth,omitempty"`
}

// SignaturesUploadRequest is POST /keys/signatures/upload, whose body is Keys: the signed objects by user, and by device
// or public key.
type SignaturesUploadRequest struct {
	Keys map[id.User]map[string]json.RawMessage
}

// UnmarshalJSON takes the whole body.
func (r *SignaturesUploadRequest) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.Keys) }

// MarshalJSON gives the whole body.
func (r SignaturesUploadRequest) MarshalJSON() ([]byte, error) { return json.Marshal(r.Keys) }

// SignaturesUploadResponse says which signatures were not taken.
type SignaturesUploadResponse struct {
	Failures map[id.User]map[string]Failure `json:"failures"`
}
