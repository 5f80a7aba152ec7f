package crash

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// smith makes one-time keys for a device, which two others claim at the same time. No key may be given out twice.
type smith struct {
	crowd   *crowd
	user    string
	device  string
	made    int // keys of the batches that are acknowledged
	pending bool

	mu      sync.Mutex // guards what follows
	claimed map[string]bool
	unknown int // claims without an answer, which may have taken a key each
}

const (
	smithy = 3 // whose keys
	batch  = 6 // keys at once
)

func newSmith(w *crowd) *smith {
	w.t.Helper()
	s := &smith{crowd: w, claimed: map[string]bool{}}
	var me struct {
		User   string `json:"user_id"`
		Device string `json:"device_id"`
	}
	w.c.must(w.t, w.tokens[smithy], "GET", "/_matrix/client/v3/account/whoami", nil, &me)
	s.user, s.device = me.User, me.Device
	return s
}

// forge uploads the next batch, or the one whose upload was not acknowledged.
func (s *smith) forge(ctx context.Context) (int, error) {
	keys := map[string]any{}
	for i := range batch {
		n := s.made + i
		keys[fmt.Sprintf("signed_curve25519:K%d", n)] = map[string]string{"key": fmt.Sprintf("%043d", n)}
	}
	s.pending = true
	status, err := s.crowd.c.call(ctx, s.crowd.tokens[smithy], "POST", "/_matrix/client/v3/keys/upload", map[string]any{"one_time_keys": keys}, nil)
	if err == nil {
		s.pending, s.made = false, s.made+batch
	}
	return status, err
}

// claim takes a key, if there is one.
func (s *smith) claim(ctx context.Context, by int) (found bool, status int, err error) {
	var resp struct {
		Keys map[string]map[string]map[string]any `json:"one_time_keys"`
	}
	status, err = s.crowd.c.call(ctx, s.crowd.tokens[by], "POST", "/_matrix/client/v3/keys/claim",
		map[string]any{"one_time_keys": map[string]any{s.user: map[string]string{s.device: "signed_curve25519"}}}, &resp)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.unknown++
	}
	for key := range resp.Keys[s.user][s.device] {
		if s.claimed[key] {
			s.crowd.t.Errorf("one-time key %s is given out twice", key)
		}
		s.claimed[key], found = true, true
	}
	return found, status, err
}

func (s *smith) work(gone context.Context) {
	for gone.Err() == nil {
		if status, err := s.forge(gone); err != nil {
			s.crowd.refused("the smith", status, err)
			return
		}
		var wg sync.WaitGroup
		for by := range 2 {
			wg.Go(func() {
				for range batch / 2 {
					if _, status, err := s.claim(gone, by); err != nil {
						s.crowd.refused("the smith", status, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

func (s *smith) settle() {
	s.crowd.t.Helper()
	if s.pending {
		if _, err := s.forge(context.Background()); err != nil {
			s.crowd.t.Errorf("the smith: %v", err)
		}
	}
	for found := true; found; {
		var err error
		if found, _, err = s.claim(context.Background(), 0); err != nil {
			s.crowd.t.Errorf("the smith: %v", err)
		}
	}
	if lost := s.made - len(s.claimed); lost > s.unknown {
		s.crowd.t.Errorf("%d one-time keys were made and %d claimed, %d claims have no answer, and there are no more", s.made, len(s.claimed), s.unknown)
	}
}

// visitor signs in and out. A token that was given is good, one that was given back is not.
type visitor struct {
	crowd *crowd
	in    []string // tokens of acknowledged logins that were never given back
	out   []string // tokens whose logout was acknowledged
}

func newVisitor(w *crowd) *visitor {
	w.t.Helper()
	w.c.register(w.t, "visitor")
	return &visitor{crowd: w}
}

func (v *visitor) work(gone context.Context) {
	for n := 0; gone.Err() == nil; n++ {
		var resp struct {
			Token string `json:"access_token"`
		}
		status, err := v.crowd.c.call(gone, "", "POST", "/_matrix/client/v3/login", map[string]any{
			"type": "m.login.password", "identifier": map[string]string{"type": "m.id.user", "user": "visitor"},
			"password": "the password of visitor",
		}, &resp)
		if err == nil && n%2 == 0 {
			v.in = append(v.in, resp.Token)
		} else if err == nil {
			if status, err = v.crowd.c.call(gone, resp.Token, "POST", "/_matrix/client/v3/logout", nil, nil); err == nil {
				v.out = append(v.out, resp.Token)
			}
		}
		if err != nil {
			v.crowd.refused("the visitor", status, err)
			return
		}
	}
}

func (v *visitor) settle() {
	v.crowd.t.Helper()
	for _, check := range []struct {
		tokens []string
		want   int
	}{{v.in, http.StatusOK}, {v.out, http.StatusUnauthorized}} {
		for _, token := range check.tokens[max(0, len(check.tokens)-3):] {
			status, _ := v.crowd.c.call(context.Background(), token, "GET", "/_matrix/client/v3/account/whoami", nil, nil)
			if status != check.want {
				v.crowd.t.Errorf("a token of the visitor gets status %d, want %d", status, check.want)
			}
		}
	}
}

// uploader uploads media, and finds it unchanged.
type uploader struct {
	crowd *crowd
	n     int
	acked map[string]int // address to number
}

func pictureOf(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "picture %d ", n), 50+n%2000) }

func (u *uploader) work(gone context.Context) {
	u.acked = map[string]int{}
	for ; gone.Err() == nil; u.n++ {
		var resp struct {
			URI string `json:"content_uri"`
		}
		status, err := u.crowd.c.call(gone, u.crowd.tokens[0], "POST", "/_matrix/media/v3/upload", pictureOf(u.n), &resp)
		if err != nil {
			u.crowd.refused("the uploader", status, err)
			u.n++
			return
		}
		u.acked[resp.URI] = u.n
	}
}

// settle looks at what was uploaded since the last time.
func (u *uploader) settle() {
	u.crowd.t.Helper()
	for uri, n := range u.acked {
		var got []byte
		_, err := u.crowd.c.call(context.Background(), u.crowd.tokens[1], "GET",
			"/_matrix/client/v1/media/download/"+strings.TrimPrefix(uri, "mxc://"), nil, &got)
		if err != nil || !bytes.Equal(got, pictureOf(n)) {
			u.crowd.t.Errorf("picture %d was acknowledged as %s: got %d bytes, %v", n, uri, len(got), err)
		}
	}
}
