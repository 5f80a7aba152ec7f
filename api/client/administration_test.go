package client

import (
	"testing"

	"freehold.example/core/account"
)

func TestAdministrationHTTP(t *testing.T) {
	s := newSite(t, account.Open)
	root, alice := s.register("root").str("access_token"), s.register("alice").str("access_token")
	if err := s.accounts.SetAdmin(t.Context(), "@root:s1", true); err != nil {
		t.Fatal(err)
	}
	const lock = "/v1/admin/lock/"
	s.call("GET", lock+"@root:s1", alice, nil, 403, "M_FORBIDDEN")
	s.call("PUT", lock+"@nobody:s1", alice, "{}", 403, "M_FORBIDDEN") // no enumeration
	s.call("GET", lock+"@nobody:s1", root, nil, 404, "M_NOT_FOUND")
	s.call("GET", lock+"@alice:elsewhere", root, nil, 400, "M_INVALID_PARAM")
	s.call("PUT", lock+"@root:s1", root, map[string]any{"locked": true}, 403, "M_FORBIDDEN")
	s.call("PUT", lock+"@alice:s1", root, "{}", 400, "M_MISSING_PARAM")
	for _, locked := range []bool{true, false} {
		if got := s.call("PUT", lock+"@alice:s1", root, map[string]any{"locked": locked}, 200, ""); got["locked"] != locked {
			t.Errorf("got %v, want %v", got, locked)
		}
		if got := s.call("GET", lock+"@alice:s1", root, nil, 200, ""); got["locked"] != locked {
			t.Errorf("got %v, want %v", got, locked)
		}
		if locked {
			s.call("GET", "/v3/account/whoami", alice, nil, 401, "M_USER_LOCKED")
		}
	}
	s.call("GET", "/v3/account/whoami", alice, nil, 200, "")

	s.call("GET", "/v3/admin/whois/@root:s1", alice, nil, 403, "M_FORBIDDEN")
	for _, token := range []string{root, alice} {
		got := s.call("GET", "/v3/admin/whois/@alice:s1", token, nil, 200, "")
		if devices, _ := got["devices"].(map[string]any); got.str("user_id") != "@alice:s1" || len(devices) != 1 {
			t.Errorf("got %v, want one device of @alice:s1", got)
		}
	}
	caps := func(token string) bool {
		all, _ := s.call("GET", "/v3/capabilities", token, nil, 200, "")["capabilities"].(map[string]any)
		return all["m.account_moderation"] != nil
	}
	if !caps(root) || caps(alice) {
		t.Error("want the capability of account moderation for administrators alone")
	}
	if got := s.call("GET", "/v3/account/3pid", alice, nil, 200, ""); got["threepids"] == nil {
		t.Errorf("got %v, want an empty list", got)
	}
	s.call("GET", "/v3/thirdparty/protocols", alice, nil, 200, "")
}
