package media

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
)

// fixCRC sets the checksum of a PNG chunk: type, data, checksum.
func fixCRC(chunk []byte) {
	n := len(chunk) - 4
	binary.BigEndian.PutUint32(chunk[n:], crc32.ChecksumIEEE(chunk[:n]))
}

// turned puts an EXIF orientation into a JPEG.
func turned(jpeg []byte, order binary.AppendByteOrder, n uint16) []byte {
	head := "MM\x00*"
	if order.String() == "LittleEndian" {
		head = "II*\x00"
	}
	exif := append([]byte("Exif\x00\x00"), head...)
	exif = order.AppendUint32(exif, 8)
	exif = order.AppendUint16(exif, 1)
	exif = order.AppendUint16(exif, tagTurn)
	exif = order.AppendUint16(exif, tiffShort)
	exif = order.AppendUint32(exif, 1)
	exif = order.AppendUint16(exif, n)
	exif = append(exif, 0, 0, 0, 0, 0, 0)
	out := append([]byte{}, jpeg[:2]...)
	out = append(out, 0xff, markerEXIF)
	out = binary.BigEndian.AppendUint16(out, uint16(len(exif)+2))
	return append(append(out, exif...), jpeg[2:]...)
}

func TestReadHead(t *testing.T) {
	plain := jpegOf(t, pixels(10, 10))
	if got := readHead(bytes.NewReader(plain)).turn; got != 0 {
		t.Errorf("got %d for a JPEG without EXIF, want 0", got)
	}
	for n := uint16(1); n <= 8; n++ {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			if got := readHead(bytes.NewReader(turned(plain, order, n))).turn; got != turn(n) {
				t.Errorf("%v: got %d, want %d", order, got, n)
			}
		}
	}
	if got := readHead(bytes.NewReader(turned(plain, binary.BigEndian, 9))).turn; got != 0 {
		t.Errorf("got %d for a turn there is not, want 0", got)
	}
	passes := bytes.Replace(turned(plain, binary.BigEndian, 3), []byte{0xff, 0xc0}, []byte{0xff, markerProgressive}, 1)
	if got := readHead(bytes.NewReader(passes)); got != (jpegHead{3, true}) {
		t.Errorf("got %v for a progressive JPEG turned by 3", got)
	}
	hidden := append([]byte("\xff\xd8junk\xff\x00\xff\xff\xff\xd0"), passes[2:]...)
	if got := readHead(bytes.NewReader(hidden)); got != (jpegHead{3, true}) {
		t.Errorf("got %v for a progressive JPEG behind junk", got)
	}
}

// Where the top left pixel goes, by the definition of EXIF: the position of the 0th row and column.
func TestTurn(t *testing.T) {
	const w, h = 3, 2
	for n, want := range map[turn]image.Point{
		1: {0, 0}, 2: {w - 1, 0}, 3: {w - 1, h - 1}, 4: {0, h - 1},
		5: {0, 0}, 6: {h - 1, 0}, 7: {h - 1, w - 1}, 8: {0, w - 1},
	} {
		m := image.NewRGBA(image.Rect(0, 0, w, h))
		m.Pix[0] = 255
		got := n.apply(m)
		if r, _, _, _ := got.At(want.X, want.Y).RGBA(); r == 0 {
			t.Errorf("turn %d: the first pixel is not at %v", n, want)
		}
	}
}

func TestThumbnailIsTurned(t *testing.T) {
	m, _ := newMedia(t, sqldbtest.SQLite(t, schema.FS), Config{})
	i := addPicture(t, m, turned(jpegOf(t, pixels(1000, 500)), binary.BigEndian, 6))
	f, err := m.Thumbnail(t.Context(), "s1", string(i), Size{320, 240, Scale, false}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, _, err := image.DecodeConfig(f)
	if err != nil || got.Width != 120 || got.Height != 240 {
		t.Errorf("got %dx%d, %v, want 120x240", got.Width, got.Height, err)
	}
}

func FuzzReadHead(f *testing.F) {
	plain := jpegOf(f, pixels(4, 4))
	f.Add(plain)
	f.Add(turned(plain, binary.BigEndian, 6))
	f.Add(turned(plain, binary.LittleEndian, 3))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := readHead(bytes.NewReader(b)).turn; got < 0 || got > 8 {
			t.Errorf("got turn %d", got)
		}
	})
}

// Whatever the bytes are, decoding keeps to the limit on pixels or refuses.
func FuzzDecode(f *testing.F) {
	for _, body := range bombs(f) {
		f.Add(body)
	}
	f.Add(pngOf(f, pixels(40, 40)))
	f.Add(jpegOf(f, pixels(40, 40)))
	f.Add(gifOf(f, pixels(40, 40)))
	m := &Media{Config: Config{MaxPixels: 10_000}}
	f.Fuzz(func(t *testing.T, b []byte) {
		f := bytes.NewReader(b)
		p, err := m.inspect(f)
		if err != nil {
			return
		}
		if m.mayMove(p) {
			if body, err := animate(bytes.NewReader(b), box{32, 32}, Scale); err == nil && readFrames(bytes.NewReader(body), "gif").count != p.count {
				t.Errorf("%d frames have become %d", p.count, readFrames(bytes.NewReader(body), "gif").count)
			}
		}
		if err := m.decode(p, f); err != nil {
			return
		}
		defer p.close()
		if size := p.img.Bounds().Size(); size.X*size.Y > 10_000 {
			t.Errorf("decoded %v", size)
		}
		if _, _, err := p.thumbnail(box{32, 32}, Crop); err != nil {
			t.Error(err)
		}
	})
}

// A photograph as phones take them: 12 million pixels.
func BenchmarkThumbnail(b *testing.B) {
	body := jpegOf(b, pixels(4000, 3000))
	m := &Media{Config: Config{MaxPixels: 40_000_000}}
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		f := bytes.NewReader(body)
		p, err := m.inspect(f)
		if err == nil {
			err = m.decode(p, f)
		}
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := p.thumbnail(box{800, 600}, Scale); err != nil {
			b.Fatal(err)
		}
		p.close()
	}
}
