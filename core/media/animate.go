package media

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"io"
	"slices"

	"golang.org/x/image/draw"
)

// maxMoving is the most frames that a moving thumbnail has; longer ones stand still.
const maxMoving = 300

// animate makes a smaller GIF with all frames of one. Its frames have been counted, so that what is unpacked here is known.
func animate(f io.Reader, b box, method Method) ([]byte, error) {
	in, err := gif.DecodeAll(f)
	if err != nil {
		return nil, errNoPicture.Because(err)
	}
	whole := image.NewRGBA(image.Rect(0, 0, in.Config.Width, in.Config.Height))
	before := image.NewRGBA(whole.Rect)
	out := gif.GIF{LoopCount: in.LoopCount, Delay: in.Delay}
	colours := newReducer()
	for i, frame := range in.Image {
		disposal := in.Disposal[i]
		if disposal == gif.DisposalPrevious {
			copy(before.Pix, whole.Pix)
		}
		draw.Draw(whole, frame.Rect, frame, frame.Rect.Min, draw.Over)
		small := (&picture{img: whole}).shrink(b, method)
		out.Image = append(out.Image, colours.reduce(small))
		out.Disposal = append(out.Disposal, gif.DisposalBackground) // each frame is a whole picture
		switch disposal {
		case gif.DisposalPrevious:
			copy(whole.Pix, before.Pix)
		case gif.DisposalBackground:
			draw.Draw(whole, frame.Rect, image.Transparent, image.Point{}, draw.Src)
		}
		in.Image[i] = nil // its memory is not needed any more
	}
	var w bytes.Buffer
	if err := gif.EncodeAll(&w, &out); err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

// still is the first frame of a GIF as one sees it: on its canvas, of which it may be a part.
func still(first image.Image, width, height int) *image.RGBA {
	whole := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(whole, first.Bounds(), first, first.Bounds().Min, draw.Src)
	return whole
}

// bits of each colour by which similar ones are told apart.
const bits = 5

func bucket(r, g, b uint8) int {
	const drop = 8 - bits
	return int(r>>drop)<<(2*bits) | int(g>>drop)<<bits | int(b>>drop)
}

// reducer brings pictures to the 255 colours that occur most often in them, and none. It keeps its tables from one to the
// next.
type reducer struct {
	sums    []sum // by bucket
	used    []int // buckets, the fullest first
	nearest []uint8
}

// sum is of the pixels in one bucket.
type sum struct{ n, r, g, b int }

func (s *sum) mean() color.RGBA {
	return color.RGBA{uint8(s.r / s.n), uint8(s.g / s.n), uint8(s.b / s.n), 0xff}
}

func newReducer() *reducer {
	return &reducer{sums: make([]sum, 1<<(3*bits)), nearest: make([]uint8, 1<<(3*bits))}
}

func (r *reducer) reduce(m *image.RGBA) *image.Paletted {
	for _, i := range r.used {
		r.sums[i] = sum{}
	}
	r.used = r.used[:0]
	for i := 0; i+3 < len(m.Pix); i += 4 {
		if p := m.Pix[i : i+4]; p[3] >= 0x80 {
			at := bucket(p[0], p[1], p[2])
			s := &r.sums[at]
			if s.n == 0 {
				r.used = append(r.used, at)
			}
			s.n, s.r, s.g, s.b = s.n+1, s.r+int(p[0]), s.g+int(p[1]), s.b+int(p[2])
		}
	}
	slices.SortStableFunc(r.used, func(a, b int) int { return r.sums[b].n - r.sums[a].n })
	colours := color.Palette{color.RGBA{}}
	for rank, i := range r.used {
		if rank < 255 {
			colours = append(colours, r.sums[i].mean())
			r.nearest[i] = uint8(rank + 1)
			continue
		}
		r.nearest[i] = uint8(1 + colours[1:].Index(r.sums[i].mean()))
	}
	out := image.NewPaletted(m.Rect, colours)
	for i := range out.Pix {
		if p := m.Pix[4*i : 4*i+4]; p[3] >= 0x80 {
			out.Pix[i] = r.nearest[bucket(p[0], p[1], p[2])]
		}
	}
	return out
}
