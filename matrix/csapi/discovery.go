package csapi

import "freehold.example/matrix/id"

// WellKnownRequest is that of every document below /.well-known.
type WellKnownRequest struct{}

// WellKnownResponse is GET /.well-known/matrix/client: it tells a client where the homeserver of a domain is.
type WellKnownResponse struct {
	Homeserver WellKnownHomeserver `json:"m.homeserver"`
	RTCFoci    []RTCTransport      `json:"org.matrix.msc4143.rtc_foci,omitempty"` // what clients read that do not ask for transports
}

// WellKnownHomeserver is the address of a homeserver.
type WellKnownHomeserver struct {
	BaseURL string `json:"base_url"`
}

// SupportResponse is GET /.well-known/matrix/support: whom to ask for help. One of both is there.
type SupportResponse struct {
	Contacts []SupportContact `json:"contacts,omitempty"`
	Page     string           `json:"support_page,omitempty"`
}

// SupportContact is somebody who helps. One of User and Email is there.
type SupportContact struct {
	User  id.User `json:"matrix_id,omitempty"`
	Email string  `json:"email_address,omitempty"`
	Role  string  `json:"role"` // m.role.admin, m.role.security, or of a name space
}

// PolicyServerResponse is GET /.well-known/matrix/policy_server: what rooms need to use the policy server of a domain.
type PolicyServerResponse struct {
	Keys map[string]string `json:"public_keys"` // algorithm -> unpadded base64
}

// ServerDelegation is GET /.well-known/matrix/server: where other servers find this one.
type ServerDelegation struct {
	Server string `json:"m.server"`
}

// RTCTransport is a way to carry calls (MSC4143); of type livekit, one that MSC4195 describes.
type RTCTransport struct {
	Type       string `json:"type"`
	LiveKitURL string `json:"livekit_service_url,omitempty"`
}

// RTCTransportsRequest is GET /rtc/transports.
type RTCTransportsRequest struct{}

// RTCTransportsResponse lists transports, the preferred first, under the name that the proposal has now and under that
// which clients read.
type RTCTransportsResponse struct {
	Transports []RTCTransport `json:"transports"`
	Unstable   []RTCTransport `json:"rtc_transports"`
}

// TurnServerRequest is GET /voip/turnServer.
type TurnServerRequest struct{}

// TurnServerResponse says which TURN servers there are. Without any it is {}, which is what clients take for none.
type TurnServerResponse struct {
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
	URIs     []string `json:"uris,omitempty"`
	Seconds  int64    `json:"ttl,omitempty"`
}

// AuthMetadataRequest is GET /auth_metadata.
type AuthMetadataRequest struct{}
