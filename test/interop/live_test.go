package interop

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// What passes: who types, who has read, who is there.
func TestTypingReceiptsPresence(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		room := alice.Creates(private("kitchen"))
		alice.Invites(room, bob)
		bob.Accepts(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		for _, p := range []struct{ does, sees *person }{{alice, bob}, {bob, alice}} {
			_, err := p.does.client.UserTyping(p.does.ctx, room, true, 20*time.Second)
			p.does.must("type", err)
			p.sees.until(p.does.name+" typing", func() bool {
				typing := p.sees.rooms[room].typing
				return len(typing) == 1 && typing[0] == p.does.id()
			})
			_, err = p.does.client.UserTyping(p.does.ctx, room, false, 0)
			p.does.must("stop typing", err)
			p.sees.until("nobody typing", func() bool { return len(p.sees.rooms[room].typing) == 0 })

			text := "hi from " + p.sees.name
			hi := p.sees.Says(room, text)
			p.does.Sees(room, text)
			p.does.must("read", p.does.client.MarkRead(p.does.ctx, room, hi))
			p.sees.until("the receipt of "+p.does.name, func() bool { return p.sees.rooms[room].receipts[p.does.id()] == hi })

			for _, now := range []event.Presence{event.PresenceUnavailable, event.PresenceOnline} {
				p.does.must("tell how it is", p.does.client.SetPresence(p.does.ctx, mautrix.ReqPresence{Presence: now}))
				p.sees.until(p.does.name+" "+string(now), func() bool { return p.sees.presence[p.does.id()] == now })
			}
		}
	})
}

// A name and a face are seen by people of the other server, in a room and looked up.
func TestProfile(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		alice.must("take a name", alice.client.SetDisplayName(alice.ctx, "Alice of the House"))
		look := func(want string) {
			t.Helper()
			p, err := bob.client.GetProfile(bob.ctx, alice.id())
			bob.must("look alice up", err)
			if p.DisplayName != want {
				t.Errorf("got the name %q, want %q", p.DisplayName, want)
			}
		}
		look("Alice of the House")
		room := bob.Creates(public("hall"))
		alice.Joins(room.String(), there)
		bob.SeesMember(room, alice, event.MembershipJoin)

		up, err := alice.client.UploadBytesWithName(alice.ctx, picture(64, 64), "image/png", "face.png")
		alice.must("upload a face", err)
		alice.must("take a face", alice.client.SetAvatarURL(alice.ctx, up.ContentURI))
		alice.must("take another name", alice.client.SetDisplayName(alice.ctx, "Alice of the Tower"))
		bob.SeesState(room, event.StateMember, alice.id().String(), "alice's new name and face", func(e *event.Event) bool {
			m := e.Content.AsMember()
			return m.Displayname == "Alice of the Tower" && m.AvatarURL == up.ContentURI.CUString()
		})
		if got := bob.Downloads(up); !bytes.Equal(got, picture(64, 64)) {
			t.Error("the face is another")
		}
		_, err = bob.client.GetProfile(bob.ctx, id.NewUserID("nobody-at-all", here.Name))
		bob.refused("look nobody up", err, http.StatusNotFound)
	})
}

// A picture that lies on the other server is fetched, whole and small.
func TestMedia(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		view := picture(800, 600)
		up, err := alice.client.UploadBytesWithName(alice.ctx, view, "image/png", "a view.png")
		alice.must("upload", err)

		for range 2 { // the second time it is there
			if got := bob.Downloads(up); !bytes.Equal(got, view) {
				t.Errorf("got %d other bytes, want the view", len(got))
			}
		}
		// The small one of a picture that was never fetched whole.
		up, err = alice.client.UploadBytesWithName(alice.ctx, view, "image/png", "a view.png")
		alice.must("upload", err)
		resp, err := bob.client.DownloadThumbnail(bob.ctx, up.ContentURI, 240, 320, mautrix.DownloadThumbnailExtra{Method: "scale"})
		bob.must("fetch a thumbnail", err)
		defer resp.Body.Close()
		small, kind, err := image.Decode(resp.Body)
		bob.must("look at a thumbnail", err)
		if got := small.Bounds().Size(); got != image.Pt(320, 240) {
			t.Errorf("got a %s of %v", kind, got)
		}

		lost := up.ContentURI
		lost.FileID = "NoSuchFile"
		_, err = bob.client.Download(bob.ctx, lost)
		bob.refused("download what is not there", err, http.StatusNotFound)
	})
}

// Downloads fetches media as the server has it.
func (p *person) Downloads(up *mautrix.RespMediaUpload) []byte {
	p.t.Helper()
	resp, err := p.client.Download(p.ctx, up.ContentURI)
	p.must("download", err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	p.must("download", err)
	return data
}

// picture is a PNG that does not compress to nothing.
func picture(width, height int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.RGBA{uint8(x * y), uint8(x ^ y), uint8(x + y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}
