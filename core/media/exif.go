package media

import (
	"bufio"
	"encoding/binary"
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
	markerStart  = 0xd8 // SOI
	markerEXIF   = 0xe1 // APP1
	markerScan   = 0xda // SOS: pixels follow
	tagTurn      = 0x0112
	tiffShort    = 3
	maxTIFFEntry = 1000
)

// orientation reads the EXIF orientation of a JPEG, or gives 0. It reads no further than the first pixel.
func orientation(r io.Reader) turn {
	b := bufio.NewReader(r)
	var head [4]byte
	if _, err := io.ReadFull(b, head[:2]); err != nil || head[0] != 0xff || head[1] != markerStart {
		return 0
	}
	for {
		if _, err := io.ReadFull(b, head[:]); err != nil || head[0] != 0xff || head[1] == markerScan {
			return 0
		}
		size := int(binary.BigEndian.Uint16(head[2:])) - 2
		if size < 0 {
			return 0
		}
		if head[1] != markerEXIF {
			if _, err := b.Discard(size); err != nil {
				return 0
			}
			continue
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(b, body); err != nil {
			return 0
		}
		if t := exifTurn(body); t != 0 {
			return t
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
