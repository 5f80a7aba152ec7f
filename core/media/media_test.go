package media

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const alice, bob = id.User("@alice:s1"), id.User("@bob:s1")

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func each(t *testing.T, config Config, fn func(t *testing.T, m *Media, c *clock)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		m, c := newMedia(t, db, config)
		fn(t, m, c)
	})
}

func newMedia(t testing.TB, db *sqldb.DB, config Config) (*Media, *clock) {
	t.Helper()
	c := &clock{at: time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)}
	files, err := blob.Open(t.TempDir(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	config.DB, config.Blobs, config.Bus, config.Server = db, files, new(bus.Local), "s1"
	config.Now, config.Log = c.now, slog.New(slog.DiscardHandler)
	m, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return m, c
}

func file(s string) Upload {
	return Upload{Body: strings.NewReader(s), Length: int64(len(s)), ContentType: "text/plain", Name: "a file.txt"}
}

func add(t testing.TB, m *Media, u Upload) ID {
	t.Helper()
	i, err := m.Add(t.Context(), alice, u)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// contents opens a file and reads it all.
func contents(t testing.TB, m *Media, i ID) string {
	t.Helper()
	f, err := m.Open(t.Context(), "s1", string(i), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got error %v, want %s", err, code)
	}
}

func TestAddAndOpen(t *testing.T) {
	each(t, Config{}, func(t *testing.T, m *Media, _ *clock) {
		i := add(t, m, file("hello"))
		if got := contents(t, m, i); got != "hello" {
			t.Errorf("got %q, want hello", got)
		}
		f, err := m.Open(t.Context(), "s1", string(i), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Name != "a file.txt" || f.ContentType != "text/plain" || f.Size != 5 {
			t.Errorf("got %q, %q, %d bytes", f.Name, f.ContentType, f.Size)
		}
		if other := add(t, m, file("hello")); other == i {
			t.Error("two uploads of the same bytes have one id")
		}
		if len(i) < 32 {
			t.Errorf("the id %s can be guessed", i)
		}
		for _, bad := range []string{"", "..", "../" + string(i), string(i) + "/", "%2e", "nosuchmedia", strings.Repeat("a", 300)} {
			_, err := m.Open(t.Context(), "s1", bad, 0)
			wantFault(t, err, fault.NotFound)
		}
		_, err = m.Open(t.Context(), "other", string(i), 0)
		wantFault(t, err, fault.NotFound)
	})
}

func TestUploadLimits(t *testing.T) {
	config := Config{MaxUpload: 10, MaxUser: 25, MaxTotal: 30, MaxUserFiles: 3}
	each(t, config, func(t *testing.T, m *Media, _ *clock) {
		ctx := t.Context()
		_, err := m.Add(ctx, alice, file("eleven byte"))
		wantFault(t, err, fault.TooLarge)
		unknown := file("eleven byte")
		unknown.Length = -1
		_, err = m.Add(ctx, alice, unknown)
		wantFault(t, err, fault.TooLarge)

		short := file("abc")
		short.Length = 4
		_, err = m.Add(ctx, alice, short)
		wantFault(t, err, fault.BadJSON)
		broken := file("")
		broken.Body, broken.Length = iotest.ErrReader(errors.New("gone")), -1
		if _, err = m.Add(ctx, alice, broken); err == nil {
			t.Error("a broken upload was kept")
		}

		add(t, m, file("ten bytes!"))
		add(t, m, file("ten bytes!"))
		_, err = m.Add(ctx, alice, file("ten bytes!")) // 30 > 25
		wantFault(t, err, fault.Forbidden)
		add(t, m, file("5 fit"))
		_, err = m.Add(ctx, alice, file("")) // a fourth file
		wantFault(t, err, fault.Forbidden)
		if _, err := m.Add(ctx, bob, file("five!")); err != nil {
			t.Error(err)
		}
		_, err = m.Add(ctx, bob, file("a")) // 31 > 30 in all
		wantFault(t, err, fault.Forbidden)
		bytes, files, err := m.Usage(ctx, alice)
		if err != nil || bytes != 25 || files != 3 {
			t.Errorf("got %d bytes, %d files, %v, want 25, 3", bytes, files, err)
		}
	})
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"plain.txt", "plain.txt"},
		{"a; b=\"c\".txt", "a; b=\"c\".txt"},
		{"猫.png", "猫.png"},
		{"line\r\nSet-Cookie: x", "lineSet-Cookie: x"},
		{"\x00\x1b\u0085", ""},
		{"bad\xff", "bad\ufffd"},
		{"../../etc/passwd", ".._.._etc_passwd"},
		{`..\x`, ".._x"},
		{strings.Repeat("é", 600), strings.Repeat("é", 512)},
	} {
		if got := CleanName(tt.name); got != tt.want {
			t.Errorf("CleanName(%q): got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestReserveAndFill(t *testing.T) {
	each(t, Config{MaxPending: 2}, func(t *testing.T, m *Media, c *clock) {
		ctx := t.Context()
		i, expires, err := m.Reserve(ctx, alice)
		if err != nil || !expires.After(c.now()) {
			t.Fatalf("got %v, expires %v", err, expires)
		}
		_, err = m.Open(ctx, "s1", string(i), time.Millisecond)
		wantFault(t, err, fault.NotYetUploaded)
		wantFault(t, m.Fill(ctx, bob, i, file("x")), fault.Forbidden)
		wantFault(t, m.Fill(ctx, alice, "unknown", file("x")), fault.NotFound)
		if err := m.Fill(ctx, alice, i, file("now")); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, m, i); got != "now" {
			t.Errorf("got %q, want now", got)
		}
		wantFault(t, m.Fill(ctx, alice, i, file("")), fault.CannotOverwriteMedia)

		late, _, err := m.Reserve(ctx, alice)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = m.Reserve(ctx, alice); err != nil {
			t.Fatal(err)
		}
		_, _, err = m.Reserve(ctx, alice)
		wantFault(t, err, fault.LimitExceeded)
		c.add(25 * time.Hour)
		wantFault(t, m.Fill(ctx, alice, late, file("x")), fault.NotFound)
		if _, _, err = m.Reserve(ctx, alice); err != nil {
			t.Errorf("expired ids still count: %v", err)
		}
		c.add(10 * 365 * 24 * time.Hour) // the clock is wrong for a while
		for range 2 {
			if _, _, err = m.Reserve(ctx, alice); err != nil {
				t.Fatal(err)
			}
		}
		c.add(-10 * 365 * 24 * time.Hour)
		if _, _, err = m.Reserve(ctx, alice); err != nil {
			t.Errorf("ids reserved in the future count for years: %v", err)
		}
	})
}

// A download that began before the upload gets it as soon as it is there.
func TestWaitForUpload(t *testing.T) {
	m, _ := newMedia(t, sqldbtest.SQLite(t, schema.FS), Config{})
	i, _, err := m.Reserve(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		f, err := m.Open(context.Background(), "s1", string(i), time.Minute)
		if err == nil {
			err = f.Close()
		}
		done <- err
	}()
	for !m.Bus.Has(topic(i)) {
		time.Sleep(time.Millisecond)
	}
	if err := m.Fill(t.Context(), alice, i, file("late")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Bytes that nothing refers to go in the second cleaning that finds them so, and not while they are new.
func TestClean(t *testing.T) {
	each(t, Config{MaxUser: 5}, func(t *testing.T, m *Media, c *clock) {
		kept := add(t, m, file("keep!"))
		put := func() blob.Hash {
			info, err := m.Blobs.Put(t.Context(), strings.NewReader("left behind"), 100)
			if err != nil {
				t.Fatal(err)
			}
			return info.Hash
		}
		cleaned := func(want int, when string) {
			t.Helper()
			if n, err := m.Clean(t.Context()); n != want || err != nil {
				t.Errorf("%s: got %d removed, %v, want %d", when, n, err, want)
			}
		}
		left := put()
		cleaned(0, "new")
		c.add(25 * time.Hour)
		cleaned(0, "seen once")
		put() // an upload of the same bytes, whose row is yet to come
		cleaned(0, "put again")
		c.add(25 * time.Hour)
		cleaned(0, "seen once since")
		cleaned(1, "seen twice")
		if _, err := m.Blobs.Stat(t.Context(), left); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("got %v, want it gone", err)
		}
		if got := contents(t, m, kept); got != "keep!" {
			t.Errorf("got %q", got)
		}
	})
}

// The clock jumps while bytes are kept and their row is not written yet: the row finds them.
func TestCleanWhileTheClockJumps(t *testing.T) {
	each(t, Config{}, func(t *testing.T, m *Media, c *clock) {
		body, sender := io.Pipe()
		done := make(chan ID)
		go func() {
			i, err := m.Add(context.WithoutCancel(t.Context()), alice, Upload{Body: body, Length: -1})
			if err != nil {
				t.Error(err)
			}
			done <- i
		}()
		if _, err := io.WriteString(sender, "slow"); err != nil {
			t.Fatal(err)
		}
		info, err := m.Blobs.Put(t.Context(), strings.NewReader("slow"), 100) // what the upload will have put
		if err != nil {
			t.Fatal(err)
		}
		const decade = 10 * 365 * 24 * time.Hour
		c.add(decade)
		if _, err := m.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.add(-decade)
		sender.Close()
		i := <-done
		c.add(decade)
		for range 3 {
			if _, err := m.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.add(-2 * decade)
		}
		if _, err := m.Blobs.Stat(t.Context(), info.Hash); err != nil {
			t.Error(err)
		}
		if got := contents(t, m, i); got != "slow" {
			t.Errorf("got %q", got)
		}
	})
}

// What is borrowed goes when its time is over, and makes room; bytes that a user has uploaded too stay.
func TestBorrow(t *testing.T) {
	each(t, Config{MaxBorrowed: 100, MaxUser: 50}, func(t *testing.T, m *Media, c *clock) {
		borrow := func(s string) (ID, error) {
			i, _, err := m.Borrow(t.Context(), Upload{Body: strings.NewReader(s), Length: -1, ContentType: "image/png"}, c.now().Add(time.Hour))
			return i, err
		}
		same := strings.Repeat("s", 40)
		own := add(t, m, file(same))
		first, err := borrow(same)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := borrow(strings.Repeat("b", 60)); err != nil {
			t.Fatal(err)
		}
		_, err = borrow("c")
		wantFault(t, err, fault.LimitExceeded)
		if bytes, _, err := m.Usage(t.Context(), alice); bytes != 40 || err != nil {
			t.Errorf("got %d bytes of alice, %v, want 40", bytes, err)
		}
		c.add(2 * time.Hour)
		if _, err := m.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err = m.Open(t.Context(), "s1", string(first), 0)
		wantFault(t, err, fault.NotFound)
		if got := contents(t, m, own); got != same {
			t.Errorf("got %q", got)
		}
		if _, err = borrow(strings.Repeat("d", 100)); err != nil {
			t.Errorf("what is gone still counts: %v", err)
		}
		c.add(-10 * 365 * 24 * time.Hour) // the clock was wrong
		if _, err := m.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err = borrow("e"); err != nil {
			t.Errorf("what was borrowed in the future is there for years: %v", err)
		}
		_, err = borrow(strings.Repeat("f", 200))
		wantFault(t, err, fault.TooLarge)
	})
}

// pixels is a picture with four different quarters.
func pixels(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{R: uint8(255 * x / w), G: uint8(255 * y / h), B: 128, A: 255})
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func addPicture(t testing.TB, m *Media, body []byte) ID {
	t.Helper()
	return add(t, m, Upload{Body: bytes.NewReader(body), Length: int64(len(body)), ContentType: "image/any"})
}

func TestThumbnail(t *testing.T) {
	large, tall := pixels(1000, 500), pixels(50, 2000)
	each(t, Config{}, func(t *testing.T, m *Media, _ *clock) {
		for _, tt := range []struct {
			name          string
			body          []byte
			size          Size
			contentType   string
			width, height int
		}{
			{"scale", pngOf(t, large), Size{100, 100, Scale, false}, "image/png", 320, 160},
			{"scale small", pngOf(t, large), Size{32, 32, Scale, false}, "image/png", 32, 16},
			{"no method", jpegOf(t, large), Size{320, 240, "", false}, "image/jpeg", 320, 160},
			{"crop", jpegOf(t, large), Size{90, 90, Crop, false}, "image/jpeg", 96, 96},
			{"crop tall", jpegOf(t, tall), Size{96, 96, Crop, false}, "image/jpeg", 50, 96},
			{"scale tall", jpegOf(t, tall), Size{640, 480, Scale, false}, "image/jpeg", 12, 480},
			{"gif", gifOf(t, large), Size{96, 96, Crop, false}, "image/jpeg", 96, 96},
			{"small enough", pngOf(t, pixels(20, 30)), Size{32, 32, Crop, false}, "image/png", 20, 30},
			{"small gif", gifOf(t, pixels(20, 30)), Size{32, 32, Scale, false}, "image/gif", 20, 30},
			{"beyond the largest", pngOf(t, large), Size{5000, 5000, Scale, false}, "image/png", 1000, 500},
		} {
			t.Run(tt.name, func(t *testing.T) {
				i := addPicture(t, m, tt.body)
				var first []byte
				for range 2 { // made, and found again
					f, err := m.Thumbnail(t.Context(), "s1", string(i), tt.size, 0)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(f)
					f.Close()
					if err != nil {
						t.Fatal(err)
					}
					got, _, err := image.DecodeConfig(bytes.NewReader(body))
					if err != nil || got.Width != tt.width || got.Height != tt.height || f.ContentType != tt.contentType {
						t.Errorf("got %dx%d %s, %v, want %dx%d %s", got.Width, got.Height, f.ContentType, err, tt.width, tt.height, tt.contentType)
					}
					if first != nil && !bytes.Equal(first, body) {
						t.Error("the second answer differs from the first")
					}
					first = body
				}
			})
		}
	})
}

// A PNG one can see through stays one, and so does a GIF.
func TestThumbnailTransparent(t *testing.T) {
	m, _ := newMedia(t, sqldbtest.SQLite(t, schema.FS), Config{})
	clear := image.NewPaletted(image.Rect(0, 0, 200, 200), color.Palette{color.Transparent, color.Black})
	f, err := m.Thumbnail(t.Context(), "s1", string(addPicture(t, m, gifOf(t, clear))), Size{96, 96, Crop, false}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.ContentType != "image/png" || f.Name != "thumbnail.png" {
		t.Errorf("got %s %s, want a PNG", f.ContentType, f.Name)
	}
}

func TestThumbnailOfNoPicture(t *testing.T) {
	each(t, Config{MaxPixels: 10_000}, func(t *testing.T, m *Media, _ *clock) {
		_, err := m.Thumbnail(t.Context(), "s1", string(add(t, m, file("text"))), Size{32, 32, Scale, false}, 0)
		wantFault(t, err, fault.Unknown)
		_, err = m.Thumbnail(t.Context(), "s1", string(add(t, m, file("text"))), Size{5000, 5000, Scale, false}, 0)
		wantFault(t, err, fault.Unknown)
		_, err = m.Thumbnail(t.Context(), "s1", string(add(t, m, file("text"))), Size{-1, 32, Scale, false}, 0)
		wantFault(t, err, fault.InvalidParam)
		cut := pngOf(t, pixels(90, 90))
		_, err = m.Thumbnail(t.Context(), "s1", string(addPicture(t, m, cut[:len(cut)/2])), Size{32, 32, Scale, false}, 0)
		wantFault(t, err, fault.Unknown)
		_, err = m.Thumbnail(t.Context(), "s1", string(addPicture(t, m, pngOf(t, pixels(101, 100)))), Size{32, 32, Scale, false}, 0)
		wantFault(t, err, fault.TooLarge)
	})
}

// A few bytes that claim billions of pixels are refused by what they claim.
func TestBombs(t *testing.T) {
	m, _ := newMedia(t, sqldbtest.SQLite(t, schema.FS), Config{})
	for name, body := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			i := addPicture(t, m, body)
			if n := testing.AllocsPerRun(1, func() {
				_, err := m.Thumbnail(t.Context(), "s1", string(i), Size{32, 32, Scale, false}, 0)
				wantFault(t, err, fault.TooLarge)
			}); n > 10_000 {
				t.Errorf("%v allocations to refuse it", n)
			}
		})
	}
}

// bombs are pictures whose headers were changed to claim 60,000 x 60,000 pixels.
func bombs(t testing.TB) map[string][]byte {
	t.Helper()
	small := pixels(8, 8)
	p := pngOf(t, small)
	copy(p[16:], []byte{0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60})
	fixCRC(p[12:33])
	j := jpegOf(t, small)
	at := bytes.Index(j, []byte{0xff, 0xc0}) // start of frame
	copy(j[at+5:], []byte{0xea, 0x60, 0xea, 0x60})
	g := gifOf(t, small)
	copy(g[6:], []byte{0x60, 0xea, 0x60, 0xea})
	w := []byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x00\x40\x00\x00\x40\x00" + "\x00\x00\x00\x00")
	return map[string][]byte{"png": p, "jpeg": j, "gif": g, "webp": w}
}
