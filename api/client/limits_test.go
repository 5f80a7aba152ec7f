package client_test

import (
	"testing"

	"freehold.example/base/limit"
)

// Wherever a password is asked for it can be guessed, so that all these count as logins: who has got hold of a token must
// not find a faster way to the password.
func TestGuessesAreCountedAsLogins(t *testing.T) {
	guess := map[string]bool{
		"POST /_matrix/client/v3/login":                                       true,
		"POST /_matrix/client/v1/login/get_token":                             true,
		"POST /_matrix/client/v3/account/password":                            true,
		"POST /_matrix/client/v3/account/deactivate":                          true,
		"DELETE /_matrix/client/v3/devices/{deviceID}":                        true,
		"POST /_matrix/client/v3/delete_devices":                              true,
		"POST /_matrix/client/v3/keys/device_signing/upload":                  true,
		"GET /_matrix/client/v1/register/m.login.registration_token/validity": true,
	}
	for _, row := range rows(t) {
		name := row.Method + " " + row.Path
		if guess[name] && row.Limit != limit.Login {
			t.Errorf("%s: got limit %s, want %s", name, row.Limit, limit.Login)
		}
		delete(guess, name)
	}
	for name := range guess {
		t.Errorf("%s is not served", name)
	}
}
