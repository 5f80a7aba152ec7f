package media

import (
	"bufio"
	"encoding/binary"
	"errors"
	"image"
	"io"
)

// turn is how a camera was held, as EXIF has it: 1 upright, 2 to 8 mirrored or turned; 0 unknown. A thumbnail has no
// EXIF, so its pixels must be turned instead.
type turn int

// swaps says whether width and height change places.
func (t turn) swaps() bool { return t >= 5 && t <= 8 }

// apply gives the picture as it should be seen.
func (t turn) apply(m *image.RGBA) *image.RGBA {
	if t < 2 || t > 8 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if t.swaps() {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			tx, ty := t.place(x, y, w, h)
			copy(out.Pix[out.PixOffset(tx, ty):][:4], m.Pix[m.PixOffset(x, y):][:4])
		}
	}
	return out
}

// place is where the pixel x, y of a picture of w x h pixels belongs.
func (t turn) place(x, y, w, h int) (int, int) {
	switch t {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return y, w - 1 - x
	}
	return x, y
}

const (
	markerStart       = 0xd8 // SOI
	markerProgressive = 0xc2 // SOF2: pixels come in several passes
	markerEXIF        = 0xe1 // APP1
	markerScan        = 0xda // SOS: pixels follow
	markerEnd         = 0xd9 // EOI
	markerRestart     = 0xd0 // RST0, the first of eight
	tagTurn           = 0x0112
	tiffShort         = 3
	maxTIFFEntry      = 1000
)

// jpegHead is what the headers of a JPEG say beyond its size.
type jpegHead struct {
	turn        turn
	progressive bool // decoding keeps all coefficients, which takes much more memory than the pixels
}

// readHead reads no further than the first pixel. What cannot be read is left out. It is as lenient as image/jpeg about
// what stands between segments, so that nothing can be hidden from it that is decoded.
func readHead(r io.Reader) (out jpegHead) {
	b := bufio.NewReader(r)
	var two [2]byte
	if _, err := io.ReadFull(b, two[:]); err != nil || two != [2]byte{0xff, markerStart} {
		return out
	}
	for {
		marker, err := nextMarker(b)
		if err != nil || marker == markerScan || marker == markerEnd {
			return out
		}
		if marker >= markerRestart && marker < markerRestart+8 {
			continue // has no length
		}
		if _, err := io.ReadFull(b, two[:]); err != nil {
			return out
		}
		size := int(binary.BigEndian.Uint16(two[:])) - 2
		if size < 0 {
			return out
		}
		out.progressive = out.progressive || marker == markerProgressive
		if marker != markerEXIF || out.turn != 0 {
			if _, err := b.Discard(size); err != nil {
				return out
			}
			continue
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(b, body); err != nil {
			return out
		}
		out.turn = exifTurn(body)
	}
}

// nextMarker passes over whatever is no marker, and over bytes that fill.
func nextMarker(b *bufio.Reader) (byte, error) {
	for {
		if _, err := b.ReadSlice(0xff); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, err
		} else if err != nil {
			continue
		}
		marker := byte(0xff)
		for marker == 0xff {
			var err error
			if marker, err = b.ReadByte(); err != nil {
				return 0, err
			}
		}
		if marker != 0 {
			return marker, nil
		}
	}
}

// exifTurn finds the orientation in the first directory of an APP1 segment.
func exifTurn(b []byte) turn {
	if len(b) < 14 || string(b[:6]) != "Exif\x00\x00" {
		return 0
	}
	b = b[6:]
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return 0
	}
	count := min(int(order.Uint16(b[at:])), maxTIFFEntry)
	entries := b[at+2:]
	for range count {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == tagTurn && order.Uint16(entries[2:]) == tiffShort {
			if t := order.Uint16(entries[8:]); t >= 1 && t <= 8 {
				return turn(t)
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}
