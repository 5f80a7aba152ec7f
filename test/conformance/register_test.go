package conformance

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// 2 Registration

// freeName is a name that nobody has.
func freeName() string { return fmt.Sprintf("n%s-%d", run, count.Add(1)) }

var dummy = obj{"type": "m.login.dummy"}

// signUp registers with this name and whatever more says.
func signUp(t *testing.T, name string, more obj) *answer {
	t.Helper()
	body := obj{"username": name, "password": "correct horse battery", "auth": dummy}
	maps.Copy(body, more)
	return nobody(t).post("/v3/register", body)
}

func TestB22(t *testing.T) {
	a := nobody(t).post("/v3/register", obj{})
	if a.status != 401 || !a.isList("flows") || len(a.list("flows")) == 0 {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	for _, f := range a.list("flows") {
		if !f.isList("stages") {
			t.Errorf("got the flow %v", f)
		}
	}
}

func TestB23(t *testing.T) {
	a := signUp(t, freeName(), nil).ok()
	if !a.isString("access_token") || !a.isString("user_id") {
		t.Errorf("got %s", a.raw)
	}
}

func TestB24(t *testing.T) {
	a := signUp(t, freeName(), nil).ok()
	device := a.str("device_id")
	u := &user{t: t, id: a.str("user_id"), token: a.str("access_token")}
	u.get(path("/v3/devices", device)).ok()
	keys := u.post("/v3/keys/query", obj{"device_keys": obj{u.id: list{}}}).ok()
	if got := keys.keys("device_keys", u.id); len(got) != 0 {
		t.Errorf("got keys of the devices %v, want none", got)
	}
}

func TestB25(t *testing.T) {
	body := obj{"username": freeName(), "password": "correct horse battery"}
	a := nobody(t).post("/v3/register", body)
	if a.status != 401 || a.str("session") == "" {
		t.Fatalf("got %d %s", a.status, a.raw)
	}
	body["auth"] = obj{"type": "m.login.dummy", "session": a.str("session")}
	if a = nobody(t).post("/v3/register", body).ok(); a.str("access_token") == "" {
		t.Errorf("got %s", a.raw)
	}
}

// Beyond the lines: who was given a session for a request has to pass it back with it; nobody else needs one.
func TestSessionIsPassedBack(t *testing.T) {
	body := obj{"username": freeName(), "password": "correct horse battery"}
	session := nobody(t).post("/v3/register", body).str("session")
	body["auth"] = dummy
	if a := nobody(t).post("/v3/register", body).fails(401, "M_MISSING_PARAM"); a.str("session") == "" || len(a.list("flows")) == 0 {
		t.Errorf("without the session: got %s", a.raw)
	}
	signUp(t, body["username"].(string)+"-2", nil).ok()
	body["auth"] = obj{"type": "m.login.dummy", "session": session}
	nobody(t).post("/v3/register", body).ok()
}

func TestB26(t *testing.T) {
	name := freeName()
	a := signUp(t, name+"-UPPER", nil).ok()
	if got, want := a.str("user_id"), "@"+name+"-upper:"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s...", got, want)
	}
}

func TestB27(t *testing.T) {
	if got := signUp(t, freeName(), obj{"device_id": "HERS"}).ok().str("device_id"); got != "HERS" {
		t.Errorf("got the device %s", got)
	}
}

func TestB28(t *testing.T) {
	for c := range strings.SplitSeq(`! " : ? \ @ [ ] { | } ' £ é`, " ") {
		signUp(t, freeName()+c, nil).fails(400, "M_INVALID_USERNAME")
	}
}

func TestB29(t *testing.T) {
	for c := range strings.SplitSeq("0 q . _ = - /", " ") {
		signUp(t, freeName()+c, nil).ok()
	}
}

func TestB30(t *testing.T) {
	name := freeName()
	signUp(t, name, nil).ok()
	signUp(t, name, nil).fails(400, "M_USER_IN_USE")
	signUp(t, name, obj{"password": "another one altogether"}).fails(400, "M_USER_IN_USE")
}

func TestB31(t *testing.T) {
	const password = "Übergrößenträger übermorgen ☃"
	name := freeName()
	signUp(t, name, obj{"password": password}).ok()
	nobody(t).post("/v3/login", obj{
		"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": name}, "password": password,
	}).ok()
}

func TestAvailable(t *testing.T) {
	ask := func(name string) *answer { return nobody(t).get("/v3/register/available?username=" + name) }
	name := freeName()
	t.Run("B32", func(t *testing.T) {
		if a := ask(name).ok(); !a.flag("available") {
			t.Errorf("got %s", a.raw)
		}
	})
	signUp(t, name, nil).ok()
	t.Run("B33", func(*testing.T) { ask(name).fails(400, "M_USER_IN_USE") })
	t.Run("B34", func(*testing.T) { ask("a,b").fails(400, "M_INVALID_USERNAME") })
}

const sharedPath = "/_synapse/admin/v1/register"

// signUpShared registers with the shared secret.
func signUpShared(t *testing.T, name, role string, admin bool) *answer {
	t.Helper()
	nonce := nobody(t).get(sharedPath).ok().str("nonce")
	mac := hmac.New(sha1.New, []byte(sharedSecret))
	mac.Write([]byte(strings.Join([]string{nonce, name, "correct horse battery", role}, "\x00")))
	return nobody(t).post(sharedPath, obj{
		"nonce": nonce, "username": name, "password": "correct horse battery", "admin": admin, "mac": hex.EncodeToString(mac.Sum(nil)),
	})
}

func TestB35(t *testing.T) {
	if a := nobody(t).get(sharedPath).ok(); a.str("nonce") == "" {
		t.Errorf("got %s", a.raw)
	}
}

func TestB36(t *testing.T) {
	a := signUpShared(t, freeName(), "notadmin", false).ok()
	for _, key := range []string{"user_id", "access_token", "device_id"} {
		if a.str(key) == "" {
			t.Errorf("there is no %s in %s", key, a.raw)
		}
	}
	signUpShared(t, freeName(), "notadmin", true).fails(403)
}

func TestB37(t *testing.T) {
	other := newUser(t)
	for role, status := range map[string]int{"admin": 200, "notadmin": 403} {
		a := signUpShared(t, freeName(), role, role == "admin").ok()
		u := &user{t: t, id: a.str("user_id"), token: a.str("access_token")}
		if got := u.get(path("/v3/admin/whois", other.id)); got.status != status {
			t.Errorf("%s: got %d %s, want %d", role, got.status, got.raw, status)
		}
	}
}

func TestB38(t *testing.T) {
	signUpShared(t, "us,er", "notadmin", false).fails(400, "M_INVALID_USERNAME")
	name := freeName()
	a := signUpShared(t, strings.ToUpper(name), "notadmin", false).ok()
	if got := a.str("user_id"); !strings.HasPrefix(got, "@"+name+":") {
		t.Errorf("got %s, want @%s:...", got, name)
	}
}
