package media

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // decoders of image.Decode
	"image/jpeg"
	"image/png"
	"io"
	"runtime/debug"
	"sync"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // decoder of image.Decode
)

const (
	jpegQuality = 80
	maxHeader   = 16 << 20 // bytes in which a picture must say its size
	maxRatio    = 2        // a picture is first brought roughly to this many times the size wanted
)

// picture is an image: first what it says of itself, then, once decoded, its pixels.
type picture struct {
	format string
	size   image.Point // as one sees it
	turn   turn
	frames
	weight int64 // pixels that decoding it takes memory for

	img   image.Image // nil until it is decoded
	alone *sync.Mutex // held while a large picture is in memory; nil for others
}

// largeShare is the part of MaxPixels from which on a picture counts as large. Large ones are decoded one at a time, and
// the memory of one is given back before the next: it would take the collector too long to notice.
const largeShare = 8

// close lets go of the picture's memory.
func (p *picture) close() {
	p.img = nil
	if p.alone != nil {
		debug.FreeOSMemory()
		p.alone.Unlock()
		p.alone = nil
	}
}

// inspect reads what the picture in f says of itself. Its size is known, and refused, before a single pixel is decoded: a
// file of a few bytes can claim any number of them.
func (m *Media) inspect(f io.ReadSeeker) (*picture, error) {
	config, format, err := image.DecodeConfig(io.LimitReader(f, maxHeader))
	if err != nil {
		return nil, errNoPicture.Because(err)
	}
	w, h := int64(config.Width), int64(config.Height)
	switch {
	case w <= 0 || h <= 0:
		return nil, errNoPicture
	case w > m.MaxPixels || h > m.MaxPixels:
		return nil, errPixels
	}
	p := &picture{format: format, size: image.Pt(config.Width, config.Height)}
	var head jpegHead
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if format == "jpeg" {
		head = readHead(io.LimitReader(f, maxHeader))
		p.turn = head.turn
	} else {
		p.frames = readFrames(f, format)
	}
	if p.weight = w * h * weight(config.ColorModel, head); p.weight > m.MaxPixels {
		return nil, errPixels
	}
	if p.turn.swaps() {
		p.size = image.Pt(config.Height, config.Width)
	}
	_, err = f.Seek(0, io.SeekStart)
	return p, err
}

// fits says that the picture is no larger than the box.
func (p *picture) fits(b box) bool { return p.size.X <= b.width && p.size.Y <= b.height }

// decode reads the pixels of a picture from the start of f, of one that moves those of the first frame; close it.
func (m *Media) decode(p *picture, f io.Reader) (err error) {
	if p.format == "webp" && p.moving {
		first, err := firstOfWebP(f)
		if err != nil {
			return errNoPicture.Because(err)
		}
		still, err := m.inspect(first)
		if err != nil {
			return err
		}
		p.size, f = still.size, first
	}
	m.reserve(p, p.weight)
	p.img, _, err = image.Decode(f)
	if err != nil {
		p.close()
		return errNoPicture.Because(err)
	}
	want := p.size
	if p.turn.swaps() {
		want = image.Pt(p.size.Y, p.size.X)
	}
	switch got := p.img.Bounds(); {
	case p.format == "gif" && got.Size() != want:
		p.img = still(p.img, want.X, want.Y)
	case got.Size() != want:
		p.close()
		return errNoPicture.Because(fmt.Errorf("the picture is %v, but said %v", got, want))
	}
	return nil
}

// reserve waits until there is no other large picture in memory, if this is one. It is given back by close.
func (m *Media) reserve(p *picture, pixels int64) {
	if pixels > m.MaxPixels/largeShare {
		m.large.Lock()
		p.alone = &m.large
	}
}

// mayMove says that all frames of a picture can be unpacked within the limits.
func (m *Media) mayMove(p *picture) bool {
	return p.format == "gif" && p.moving && p.count <= maxMoving && p.count*p.weight <= m.MaxPixels && p.pixels <= m.MaxPixels
}

// weight counts a pixel twice where decoding takes more memory for it: 16-bit colours, JPEGs in several passes.
func weight(m color.Model, head jpegHead) int64 {
	if m == color.RGBA64Model || m == color.NRGBA64Model || head.progressive {
		return 2
	}
	return 1
}

// thumbnail makes a PNG of a PNG and of whatever one can see through, and a JPEG of everything else.
func (p *picture) thumbnail(b box, method Method) (body []byte, contentType string, err error) {
	small := p.turn.apply(p.shrink(b, method))
	var out bytes.Buffer
	if p.format == "png" || !small.Opaque() {
		err = png.Encode(&out, small)
		return out.Bytes(), "image/png", err
	}
	err = jpeg.Encode(&out, small, &jpeg.Options{Quality: jpegQuality})
	return out.Bytes(), "image/jpeg", err
}

// shrink brings the picture, still lying as it was stored, to the size it has in the box. It never enlarges.
func (p *picture) shrink(b box, method Method) *image.RGBA {
	if p.turn.swaps() {
		b.width, b.height = b.height, b.width
	}
	source := p.img.Bounds()
	size := fit(source.Size(), b)
	if method == Crop {
		source, size = fill(source, b)
	}
	img := p.img
	// Averaging all pixels of a large picture is slow and takes much memory for what nobody will see: take a sample first.
	if rough := size.Mul(maxRatio); rough.X < source.Dx() && rough.Y < source.Dy() {
		sample := image.NewRGBA(image.Rectangle{Max: rough})
		draw.ApproxBiLinear.Scale(sample, sample.Rect, img, source, draw.Src, nil)
		img, source = sample, sample.Rect
	}
	small := image.NewRGBA(image.Rectangle{Max: size})
	draw.CatmullRom.Scale(small, small.Rect, img, source, draw.Src, nil)
	return small
}

// fit is the largest size of the same shape inside the box.
func fit(s image.Point, b box) image.Point {
	if s.X <= b.width && s.Y <= b.height {
		return s
	}
	if s.X*b.height > s.Y*b.width {
		return image.Pt(b.width, max(1, s.Y*b.width/s.X))
	}
	return image.Pt(max(1, s.X*b.height/s.Y), b.height)
}

// fill is the middle of r that has the shape of the box, and the size it gets: that of the box, or its own when it is
// smaller.
func fill(r image.Rectangle, b box) (image.Rectangle, image.Point) {
	w, h := r.Dx(), r.Dy()
	switch {
	case w < b.width || h < b.height: // would have to be enlarged: cut off what stands out
		w, h = min(w, b.width), min(h, b.height)
		return middle(r, w, h), image.Pt(w, h)
	case w*b.height > h*b.width:
		w = max(1, h*b.width/b.height)
	default:
		h = max(1, w*b.height/b.width)
	}
	return middle(r, w, h), image.Pt(b.width, b.height)
}

func middle(r image.Rectangle, w, h int) image.Rectangle {
	corner := r.Min.Add(image.Pt((r.Dx()-w)/2, (r.Dy()-h)/2))
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(w, h))}
}
