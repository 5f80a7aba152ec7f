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

// picture is a decoded image, or with img nil one that is small enough as it is.
type picture struct {
	img    image.Image
	format string
	turn   turn
	alone  *sync.Mutex // held while a large picture is in memory; nil for others
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

// decode reads the picture in f, unless it fits into b anyway; close it. Its size is known, and refused, before a single pixel is
// decoded: a file of a few bytes can claim any number of them.
func (m *Media) decode(f io.ReadSeeker, b box) (*picture, error) {
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
	p := &picture{format: format}
	var head jpegHead
	if format == "jpeg" {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		head = readHead(io.LimitReader(f, maxHeader))
		p.turn = head.turn
	}
	if w*h*weight(config.ColorModel, head) > m.MaxPixels {
		return nil, errPixels
	}
	if p.turn.swaps() {
		w, h = h, w
	}
	if w <= int64(b.width) && h <= int64(b.height) {
		return p, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if w*h > m.MaxPixels/largeShare {
		m.large.Lock()
		p.alone = &m.large
	}
	p.img, _, err = image.Decode(f)
	if err != nil {
		p.close()
		return nil, errNoPicture.Because(err)
	}
	if got := p.img.Bounds(); got.Dx() != config.Width || got.Dy() != config.Height {
		p.close()
		return nil, errNoPicture.Because(fmt.Errorf("the picture is %v, but said %dx%d", got, config.Width, config.Height))
	}
	return p, nil
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
