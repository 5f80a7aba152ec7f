package csapi

import "freehold.example/matrix/id"

// RegisterRequest is POST /register.
type RegisterRequest struct {
	Kind         string    `query:"kind" json:"-"` // user, or guest
	Type         string    `json:"type,omitempty"` // m.login.application_service, or nothing
	Auth         *Auth     `json:"auth,omitempty"`
	Username     string    `json:"username,omitempty"`
	Password     string    `json:"password,omitempty"`
	Device       id.Device `json:"device_id,omitempty"`
	DeviceName   string    `json:"initial_device_display_name,omitempty"`
	InhibitLogin bool      `json:"inhibit_login,omitempty"`
	RefreshToken bool      `json:"refresh_token,omitempty"`
}

// AvailableRequest is GET /register/available.
type AvailableRequest struct {
	Username string `query:"username,required" json:"-"`
}

// AvailableResponse is always true: a name that is not available is an error.
type AvailableResponse struct {
	Available bool `json:"available"`
}

// TokenValidityRequest is GET /register/m.login.registration_token/validity.
type TokenValidityRequest struct {
	Token string `query:"token,required" json:"-"`
}

// TokenValidityResponse says whether a registration token could be used now.
type TokenValidityResponse struct {
	Valid bool `json:"valid"`
}

// PasswordRequest is POST /account/password.
type PasswordRequest struct {
	Auth          *Auth  `json:"auth,omitempty"`
	NewPassword   string `json:"new_password"`
	LogoutDevices *bool  `json:"logout_devices,omitempty"` // true unless told otherwise
}

// DeactivateRequest is POST /account/deactivate.
type DeactivateRequest struct {
	Auth  *Auth `json:"auth,omitempty"`
	Erase bool  `json:"erase,omitempty"`
}

// DeactivateResponse says what became of the user's third-party identifiers at an identity server.
type DeactivateResponse struct {
	IDServerUnbindResult string `json:"id_server_unbind_result"`
}
