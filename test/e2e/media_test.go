package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A picture that only the room can look at.
func TestEncryptedPicture(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob := h.Registers("alice"), h.Registers("bob")
		room := alice.CreatesEncrypted("gallery")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		cat := picture(640, 480)
		alice.SendsPicture(room, "cat.png", cat)
		seen := bob.Sees(room, "cat.png")
		if got := bob.Opens(seen); !bytes.Equal(got, cat) {
			t.Errorf("got %d other bytes, want the cat", len(got))
		}

		stored := bob.Downloads(seen.Content.AsMessage().File.URL.ParseOrIgnore())
		if bytes.Contains(stored, cat[:64]) {
			t.Error("the server has the picture as it is")
		}
	})
}

// A picture in the clear can be had smaller, with a token only.
func TestThumbnail(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob := h.Registers("alice"), h.Registers("bob")
		up, err := alice.client.UploadBytesWithName(alice.ctx, picture(800, 600), "image/png", "view.png")
		alice.must("upload", err)

		for _, c := range []struct {
			method        string
			width, height int
			want          image.Point
		}{
			{"scale", 320, 240, image.Pt(320, 240)},
			{"crop", 96, 96, image.Pt(96, 96)},
		} {
			resp, err := bob.client.DownloadThumbnail(bob.ctx, up.ContentURI, c.height, c.width,
				mautrix.DownloadThumbnailExtra{Method: c.method})
			bob.must("fetch a thumbnail", err)
			small, kind, err := image.Decode(resp.Body)
			resp.Body.Close()
			bob.must("look at a thumbnail", err)
			if got := small.Bounds().Size(); got != c.want {
				t.Errorf("%s: got a %s of %v, want %v", c.method, kind, got, c.want)
			}
		}

		for _, path := range []string{"/_matrix/client/v1/media/download/", "/_matrix/media/v3/download/"} {
			resp, err := http.Get(h.URL + path + up.ContentURI.Homeserver + "/" + up.ContentURI.FileID)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				t.Errorf("%s gives the picture to anybody", path)
			}
		}
	})
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

// SendsPicture encrypts a picture with a key of its own, uploads it, and sends key and address to the room.
func (d *device) SendsPicture(room roomID, name string, data []byte) eventID {
	d.t.Helper()
	file := attachment.NewEncryptedFile()
	sealed := bytes.Clone(data)
	file.EncryptInPlace(sealed)
	up, err := d.client.UploadBytes(d.ctx, sealed, "application/octet-stream")
	d.must("upload a picture", err)
	return d.Sends(room, event.EventMessage, &event.MessageEventContent{
		MsgType: event.MsgImage, Body: name,
		Info: &event.FileInfo{MimeType: "image/png", Size: len(data)},
		File: &event.EncryptedFileInfo{EncryptedFile: *file, URL: up.ContentURI.CUString()},
	})
}

// Opens downloads and decrypts what a message shows.
func (d *device) Opens(e *event.Event) []byte {
	d.t.Helper()
	file := e.Content.AsMessage().File
	if file == nil {
		d.t.Fatalf("%s: the message has no encrypted file: %s", d.name, e.Content.VeryRaw)
	}
	data := d.Downloads(file.URL.ParseOrIgnore())
	d.must("decrypt a picture", file.DecryptInPlace(data))
	return data
}

// Downloads fetches media as the server has it.
func (d *device) Downloads(uri id.ContentURI) []byte {
	d.t.Helper()
	resp, err := d.client.Download(d.ctx, uri)
	d.must("download", err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	d.must("download", err)
	return data
}
