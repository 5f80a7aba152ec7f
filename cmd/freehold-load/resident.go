package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"
)

// resident is one of the people of a soak: she does one thing after the other, at random, as her client would.
type resident struct {
	*soak
	*person
	name string
	home int          // the room she does not leave
	in   map[int]bool // the rooms she is in
	said []saying     // what she could still redact
	file string       // the last she uploaded, as server/id
}

type saying struct {
	room  int
	event string
}

// habits are what residents do, and how often in a hundred times.
var habits = []struct {
	name string
	of   int
	do   func(*resident, context.Context) error
}{
	{"send", 40, (*resident).speak},
	{"sync", 18, (*resident).look},
	{"abandon", 8, (*resident).abandon},
	{"join", 3, (*resident).enter},
	{"leave", 2, (*resident).leave},
	{"upload", 2, (*resident).upload},
	{"download", 3, (*resident).download},
	{"login", 3, (*resident).login},
	{"to-device", 4, (*resident).whisper},
	{"redact", 4, (*resident).redact},
	{"profile", 1, (*resident).rename},
	{"restart", 3, (*resident).restart},
	{"read", 5, (*resident).read},
	{"history", 4, (*resident).history},
}

func (r *resident) live(ctx context.Context) {
	pause := float64(time.Second) * residents / float64(r.rate)
	defer func() { r.conn.close() }()
	if err := r.connect(ctx); err != nil {
		r.note("connect", 0, err)
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(pause * 2 * rand.Float64())): // #nosec G404 -- load, not a secret
		}
		n := rand.IntN(100) // #nosec G404 -- as above
		for _, h := range habits {
			if n -= h.of; n >= 0 {
				continue
			}
			began := time.Now()
			err := h.do(r, ctx)
			r.note(h.name, time.Since(began), err)
			if err != nil {
				if err := r.connect(ctx); err != nil && ctx.Err() == nil {
					r.note("connect", 0, err)
					return
				}
			}
			break
		}
	}
}

// connect makes a new connection in the place of the old one.
func (r *resident) connect(ctx context.Context) error {
	return r.redial(context.WithoutCancel(ctx), r.person)
}

// room is one that she is in.
func (r *resident) room() int {
	for i := range r.in {
		return i
	}
	return r.home
}

func (r *resident) path(room int, rest string) string {
	return "/_matrix/client/v3/rooms/" + r.rooms[room] + rest
}

func (r *resident) number() int { return int(r.next.Add(1)) }

func (r *resident) user() string { return "@" + r.name + ":localhost" }

func (r *resident) speak(context.Context) error {
	room, n := r.room(), r.number()
	raw, err := r.do("PUT", r.path(room, fmt.Sprint("/send/m.room.message/", n)), r.token, message(n))
	if err == nil && len(r.said) < 100 {
		r.said = append(r.said, saying{room, url.PathEscape(text(raw, "event_id"))})
	}
	return err
}

func (r *resident) look(context.Context) error {
	_, err := r.sync(time.Second, "")
	return err
}

// abandon asks for news on another connection and hangs up before there are any.
func (r *resident) abandon(ctx context.Context) error {
	c, err := r.dial(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer c.close()
	err = c.send("GET", r.syncPath(30*time.Second), r.token, nil)
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // #nosec G404 -- load, not a secret
	return err
}

func (r *resident) enter(context.Context) error {
	room := rand.IntN(soakRooms) // #nosec G404 -- as above
	err := r.join(r.rooms[room])
	if err == nil {
		r.in[room] = true
	}
	return err
}

func (r *resident) leave(context.Context) error {
	room := r.room()
	if room == r.home {
		return nil
	}
	delete(r.in, room)
	_, err := r.do("POST", r.path(room, "/leave"), r.token, []byte("{}"))
	return err
}

func (r *resident) upload(context.Context) error {
	blob := r.blobs[rand.IntN(len(r.blobs))] // #nosec G404 -- as above
	raw, err := r.do("POST", "/_matrix/media/v3/upload?filename=load.bin", r.token, blob)
	if uri := text(raw, "content_uri"); err == nil && len(uri) > len("mxc://") {
		r.file = uri[len("mxc://"):]
	}
	return err
}

func (r *resident) download(context.Context) error {
	if r.file == "" {
		return nil
	}
	_, err := r.do("GET", "/_matrix/client/v1/media/download/"+r.file, r.token, nil)
	return err
}

// login makes a device more, uses it and ends it.
func (r *resident) login(context.Context) error {
	raw, err := r.do("POST", "/_matrix/client/v3/login", "", fmt.Appendf(nil,
		`{"type":"m.login.password","identifier":{"type":"m.id.user","user":%q},"password":%q}`, r.name, soakPassword))
	if err != nil {
		return err
	}
	token := text(raw, "access_token")
	if _, err := r.do("GET", "/_matrix/client/v3/account/whoami", token, nil); err != nil {
		return err
	}
	_, err = r.do("POST", "/_matrix/client/v3/logout", token, []byte("{}"))
	return err
}

func (r *resident) whisper(context.Context) error {
	to := fmt.Sprintf("@soak-%d:localhost", rand.IntN(residents)) // #nosec G404 -- as above
	_, err := r.do("PUT", fmt.Sprint("/_matrix/client/v3/sendToDevice/org.example.load/", r.number()), r.token,
		fmt.Appendf(nil, `{"messages":{%q:{"*":{"body":"hush"}}}}`, to))
	return err
}

func (r *resident) redact(context.Context) error {
	if len(r.said) == 0 {
		return nil
	}
	what := r.said[0]
	r.said = r.said[1:]
	if !r.in[what.room] {
		return nil
	}
	_, err := r.do("PUT", r.path(what.room, fmt.Sprintf("/redact/%s/%d", what.event, r.number())), r.token, []byte("{}"))
	return err
}

func (r *resident) rename(context.Context) error {
	_, err := r.do("PUT", "/_matrix/client/v3/profile/"+r.user()+"/displayname", r.token,
		fmt.Appendf(nil, `{"displayname":"Resident %d"}`, r.number()))
	return err
}

// restart is her client beginning with nothing.
func (r *resident) restart(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	r.since = ""
	_, err := r.sync(0, "")
	return err
}

func (r *resident) read(context.Context) error {
	if len(r.said) == 0 {
		return nil
	}
	what := r.said[len(r.said)-1]
	if !r.in[what.room] {
		return nil
	}
	_, err := r.do("PUT", r.path(what.room, "/typing/"+r.user()), r.token, []byte(`{"typing":true,"timeout":2000}`))
	if err != nil {
		return err
	}
	_, err = r.do("POST", r.path(what.room, "/receipt/m.read/"+what.event), r.token, []byte("{}"))
	return err
}

func (r *resident) history(context.Context) error {
	_, err := r.do("GET", r.path(r.room(), "/messages?dir=b&limit=50"), r.token, nil)
	return err
}
