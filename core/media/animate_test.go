package media

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
)

// movie is a GIF in which a square moves over a ground; only the first frame fills the canvas.
func movie(t testing.TB, w, h, frames int) []byte {
	t.Helper()
	colours := color.Palette{color.Transparent, color.RGBA{200, 0, 0, 255}, color.RGBA{0, 0, 200, 255}}
	g := gif.GIF{Config: image.Config{ColorModel: colours, Width: w, Height: h}}
	for i := range frames {
		r := image.Rect(0, 0, w, h)
		if i > 0 {
			r = image.Rect(i%w, 0, min(i%w+w/4+1, w), h/4+1)
		}
		frame := image.NewPaletted(r, colours)
		for at := range frame.Pix {
			frame.Pix[at] = uint8(1 + i%2)
		}
		g.Image, g.Delay, g.Disposal = append(g.Image, frame), append(g.Delay, 5), append(g.Disposal, []byte{1, 2, 3}[i%3])
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// apng makes a PNG claim that it moves.
func apng(t testing.TB, plain []byte) []byte {
	t.Helper()
	chunk := append([]byte("acTL"), 0, 0, 0, 2, 0, 0, 0, 0)
	whole := binary.BigEndian.AppendUint32(nil, 8)
	whole = append(whole, chunk...)
	whole = binary.BigEndian.AppendUint32(whole, crc32.ChecksumIEEE(chunk))
	const afterHeader = 8 + 25
	return append(append(append([]byte{}, plain[:afterHeader]...), whole...), plain[afterHeader:]...)
}

// webp is a lossless picture of 1x1 pixel.
const webp = "RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"

// movingWebP wraps the chunk of a still one into an animation.
func movingWebP() []byte {
	image := []byte(webp[12:])
	frame := append(make([]byte, 16), image...) // at 0, 0, of 1x1 pixel
	out := []byte("RIFF....WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	out = append(out, "ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00ANMF"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(frame)))
	out = append(out, frame...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

func TestMovingThumbnails(t *testing.T) {
	each(t, Config{}, func(t *testing.T, m *Media, _ *clock) {
		large, small, still := movie(t, 400, 200, 20), movie(t, 20, 10, 3), gifOf(t, pixels(20, 10))
		for _, tt := range []struct {
			name        string
			body        []byte
			size        Size
			contentType string
			frames      int64
			w, h        int
		}{
			{"moving when asked", large, Size{96, 96, Scale, true}, "image/gif", 20, 96, 48},
			{"cropped", large, Size{96, 96, Crop, true}, "image/gif", 20, 96, 96},
			{"not when not asked", large, Size{96, 96, Scale, false}, "image/jpeg", 0, 96, 48},
			{"small, moving", small, Size{96, 96, Scale, true}, "image/gif", 3, 20, 10},
			{"small, still", small, Size{96, 96, Scale, false}, "image/jpeg", 0, 20, 10},
			{"beyond the largest, moving", large, Size{5000, 5000, Scale, true}, "image/gif", 20, 400, 200},
			{"beyond the largest, still", large, Size{5000, 5000, Scale, false}, "image/jpeg", 0, 400, 200},
			{"has only one frame", still, Size{96, 96, Scale, true}, "image/gif", 1, 20, 10},
			{"a moving PNG as it is", apng(t, pngOf(t, pixels(200, 100))), Size{96, 96, Scale, true}, "image/png", 0, 200, 100},
			{"a moving PNG, still", apng(t, pngOf(t, pixels(200, 100))), Size{96, 96, Scale, false}, "image/png", 0, 96, 48},
			{"a small moving PNG, still", apng(t, pngOf(t, pixels(20, 10))), Size{96, 96, Scale, false}, "image/png", 0, 20, 10},
			{"a moving WebP as it is", movingWebP(), Size{96, 96, Scale, true}, "image/webp", 0, 1, 1},
			{"a moving WebP, still", movingWebP(), Size{96, 96, Scale, false}, "", 0, 1, 1},
			{"cannot move", jpegOf(t, pixels(400, 200)), Size{96, 96, Scale, true}, "image/jpeg", 0, 96, 48},
		} {
			i := addPicture(t, m, tt.body)
			for range 2 { // made, and found
				f, err := m.Thumbnail(t.Context(), "s1", string(i), tt.size, 0)
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
					break
				}
				body, err := io.ReadAll(f)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				c, format, err := image.DecodeConfig(bytes.NewReader(body))
				if err != nil || c.Width != tt.w || c.Height != tt.h || tt.contentType != "" && f.ContentType != tt.contentType || f.ContentType != "image/"+format {
					t.Errorf("%s: got %s %dx%d (%s), %v, want %s %dx%d", tt.name, f.ContentType, c.Width, c.Height, format, err, tt.contentType, tt.w, tt.h)
				}
				got := readFrames(bytes.NewReader(body), format)
				if got.count != tt.frames || got.moving && !tt.size.Animated {
					t.Errorf("%s: got %+v, want %d frames", tt.name, got, tt.frames)
				}
			}
		}
	})
}

// A few kilobytes can have frames without end; what they would come to is known before one is unpacked.
func TestBombsOfFrames(t *testing.T) {
	m, _ := newMedia(t, sqldbtest.SQLite(t, schema.FS), Config{MaxPixels: 1_000_000})
	for name, body := range map[string][]byte{
		"many frames":  movie(t, 10, 10, maxMoving+1),
		"many pixels":  movie(t, 300, 200, 30),
		"frames alone": append(movie(t, 4, 4, 2)[:13+3*4], bytes.Repeat([]byte("\x21\xf9\x04\x00\x00\x00\x00\x00"), 100_000)...),
	} {
		p, err := m.inspect(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if m.mayMove(p) {
			t.Errorf("%s: %+v would be unpacked", name, p.frames)
		}
	}
	f, err := m.Thumbnail(t.Context(), "s1", string(addPicture(t, m, movie(t, 300, 200, 30))), Size{96, 96, Scale, true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	wide := movie(t, 10, 10, 2)
	binary.LittleEndian.PutUint16(wide[6:], 50_000)
	binary.LittleEndian.PutUint16(wide[8:], 50_000)
	for _, animated := range []bool{false, true} {
		_, err := m.Thumbnail(t.Context(), "s1", string(addPicture(t, m, wide)), Size{96, 96, Scale, animated}, 0)
		wantFault(t, err, fault.TooLarge)
	}
}

// Thumbnails have a bound of their own: beyond it they are given out and not kept, and a cleaning makes room.
func TestThumbnailsAreBounded(t *testing.T) {
	var last int64
	each(t, Config{MaxThumbnails: 20_000}, func(t *testing.T, m *Media, _ *clock) {
		used := func() (bytes int64) {
			if err := m.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) { bytes, _, err = usage(tx, thumbnails); return err }); err != nil {
				t.Fatal(err)
			}
			return bytes
		}
		for n := range 40 {
			picture := pixels(200+n, 200)
			for i := range picture.Pix {
				picture.Pix[i] = uint8(i * i >> (n % 8))
			}
			var b bytes.Buffer
			if err := png.Encode(&b, picture); err != nil {
				t.Fatal(err)
			}
			f, err := m.Thumbnail(t.Context(), "s1", string(addPicture(t, m, b.Bytes())), Size{32, 32, Crop, false}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := png.Decode(f); err != nil {
				t.Errorf("picture %d: %v", n, err)
			}
			f.Close()
			last = used()
		}
		if last > 20_000 || last < 15_000 {
			t.Errorf("got %d bytes of thumbnails, want them up to 20,000", last)
		}
		if _, err := m.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := used(); got > 10_000 && last > 17_500 {
			t.Errorf("got %d bytes of thumbnails after cleaning, want at most half", got)
		}
	})
}

func BenchmarkAnimate(b *testing.B) {
	body := movie(b, 500, 300, 200)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := animate(bytes.NewReader(body), box{320, 240}, Scale); err != nil {
			b.Fatal(err)
		}
	}
}
