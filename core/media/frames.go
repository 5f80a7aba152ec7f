package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// frames is what a file says of being a moving picture, read from the outsides of its blocks without unpacking any.
type frames struct {
	moving bool
	count  int64 // of a GIF
	pixels int64 // of all frames of a GIF together, as they are stored
}

// maxFrames is how many frames are counted; a picture with more is not unpacked.
const maxFrames = 2000

// readFrames looks at the file of a picture of this format from its start.
func readFrames(r io.Reader, format string) frames {
	b := bufio.NewReader(r)
	switch format {
	case "gif":
		return gifFrames(b)
	case "png":
		return frames{moving: isAPNG(b)}
	case "webp":
		return frames{moving: isAnimatedWebP(b)}
	}
	return frames{}
}

// gifFrames walks over the blocks of a GIF (GIF89a, appendix A).
func gifFrames(b *bufio.Reader) (f frames) {
	var head [13]byte
	if _, err := io.ReadFull(b, head[:]); err != nil || string(head[:3]) != "GIF" {
		return f
	}
	if !skip(b, colours(head[10])) {
		return f
	}
	for f.count < maxFrames {
		kind, err := b.ReadByte()
		if err != nil {
			break
		}
		switch kind {
		case 0x21: // extension: label, sub-blocks
			if !skip(b, 1) || !skipSubBlocks(b) {
				return f
			}
		case 0x2c: // image: place and size, colours, code size, sub-blocks
			var d [9]byte
			if _, err := io.ReadFull(b, d[:]); err != nil {
				return f
			}
			f.count++
			f.moving = f.count > 1
			f.pixels += int64(binary.LittleEndian.Uint16(d[4:])) * int64(binary.LittleEndian.Uint16(d[6:]))
			if !skip(b, colours(d[8])+1) || !skipSubBlocks(b) {
				return f
			}
		default: // the end, or nothing a decoder would go on with
			return f
		}
	}
	return f
}

// colours is the size in bytes of the table that these flags announce.
func colours(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (1 + flags&7)
}

func skip(b *bufio.Reader, n int) bool {
	_, err := b.Discard(n)
	return err == nil
}

func skipSubBlocks(b *bufio.Reader) bool {
	for {
		n, err := b.ReadByte()
		if err != nil || !skip(b, int(n)) {
			return false
		}
		if n == 0 {
			return true
		}
	}
}

// isAPNG says whether a PNG announces an animation before its pixels (PNG, third edition, acTL).
func isAPNG(b *bufio.Reader) bool {
	if !skip(b, 8) {
		return false
	}
	for range 1000 {
		var head [8]byte
		if _, err := io.ReadFull(b, head[:]); err != nil {
			return false
		}
		switch string(head[4:]) {
		case "acTL":
			return true
		case "IDAT", "IEND":
			return false
		}
		if n := binary.BigEndian.Uint32(head[:]); n > maxHeader || !skip(b, int(n)+4) {
			return false
		}
	}
	return false
}

// isAnimatedWebP reads the flag of the extended header (WebP Container Specification, "VP8X").
func isAnimatedWebP(b *bufio.Reader) bool {
	head, err := b.Peek(21)
	return err == nil && string(head[12:16]) == "VP8X" && head[20]&0x02 != 0
}

var errNoFrame = errors.New("no frame")

// maxFrame is how many bytes the first frame of a WebP may have.
const maxFrame = 16 << 20

// firstOfWebP makes a still WebP of the first frame of a moving one, which the decoder cannot read. It is one that the
// decoder will judge by its own header. (WebP Container Specification, "ANMF".)
func firstOfWebP(r io.Reader) (*bytes.Reader, error) {
	b := bufio.NewReader(r)
	if !skip(b, 12) {
		return nil, errNoFrame
	}
	for range 1000 {
		var head [8]byte
		if _, err := io.ReadFull(b, head[:]); err != nil {
			return nil, errNoFrame
		}
		n := int64(binary.LittleEndian.Uint32(head[4:]))
		if n > maxFrame {
			return nil, errNoFrame
		}
		if string(head[:4]) != "ANMF" {
			if !skip(b, int(n+n&1)) {
				return nil, errNoFrame
			}
			continue
		}
		if n < 16 {
			return nil, errNoFrame
		}
		frame := make([]byte, 0, min(n, 64<<10)) // no more than there is
		buffer := bytes.NewBuffer(frame)
		if got, err := io.CopyN(buffer, b, n); err != nil || got != n {
			return nil, errNoFrame
		}
		frame = buffer.Bytes()
		size, chunks := frame[6:12], frame[16:]
		out := []byte("RIFF....WEBP")
		if len(chunks) >= 4 && string(chunks[:4]) == "ALPH" { // only the extended form has it
			out = append(append(out, "VP8X\x0a\x00\x00\x00\x10\x00\x00\x00"...), size...)
		}
		out = append(out, chunks...)
		binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
		return bytes.NewReader(out), nil
	}
	return nil, errNoFrame
}
