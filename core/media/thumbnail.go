package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"freehold.example/base/durable"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	sqlThumbnail    = `SELECT result, size, content_type FROM thumbnail WHERE blob = $1 AND width = $2 AND height = $3 AND method = $4`
	sqlAddThumbnail = `INSERT INTO thumbnail (blob, width, height, method, result, size, content_type) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (blob, width, height, method) DO NOTHING`
)

// Method is how a picture is brought to size.
type Method string

// The two methods. Anything else a client asks for counts as Scale.
const (
	Scale Method = "scale" // the whole picture, inside the box
	Crop  Method = "crop"  // the middle of the picture, filling the box
)

// box is a size that thumbnails are made in. Requests are rounded up to one, so that nobody can fill the disk by asking
// for every size there is.
type box struct{ width, height int }

// boxes for each method, the smallest first. The first five are those the specification asks for
// (https://spec.matrix.org/v1.18/client-server-api/#thumbnails); every client uses some of them.
var boxes = map[Method][]box{
	Crop:  {{32, 32}, {96, 96}, {320, 320}, {640, 480}, {640, 640}, {800, 800}},
	Scale: {{32, 32}, {96, 96}, {320, 240}, {640, 480}, {800, 600}, {1600, 1200}},
}

// boxFor is the smallest box that holds width x height; ok is false beyond the largest.
func boxFor(method Method, width, height int) (b box, ok bool) {
	for _, b := range boxes[method] {
		if b.width >= width && b.height >= height {
			return b, true
		}
	}
	return box{}, false
}

// Size is what a thumbnail is wanted to be: at least Width x Height pixels.
type Size struct {
	Width, Height int
	Method        Method
	Animated      bool // moving, if the picture does
}

// variant is one of the thumbnails of a picture.
type variant struct {
	box
	method Method
	moving bool
}

// name is the method as the table has it.
func (v variant) name() string {
	if v.moving {
		return string(v.method) + " moving"
	}
	return string(v.method)
}

// unscaled is the box of thumbnails that are as large as the picture, which is done to make it stand still.
var unscaled = box{}

// maxMovingOriginal is how many bytes a moving picture may have that is given out instead of a thumbnail of it, because it
// cannot be made smaller here.
const maxMovingOriginal = 4 << 20

// ThumbnailName is the name thumbnails are given out under, without its ending.
const ThumbnailName = "thumbnail"

// Thumbnail opens a picture made smaller. A picture that is small already, or a size beyond the largest that is made,
// gives the picture itself, unless that moves and should not. What is no picture is M_UNKNOWN with status 400; one with
// too many pixels is M_TOO_LARGE.
func (m *Media) Thumbnail(ctx context.Context, server id.Server, mediaID string, want Size, wait time.Duration) (*File, error) {
	if want.Width <= 0 || want.Height <= 0 {
		return nil, fault.New(fault.InvalidParam, "width and height must be positive numbers")
	}
	if want.Method != Crop {
		want.Method = Scale
	}
	r, err := m.await(ctx, server, mediaID, wait)
	if err != nil {
		return nil, err
	}
	b, ok := boxFor(want.Method, want.Width, want.Height)
	if !ok {
		b = unscaled
	}
	v := variant{b, want.Method, want.Animated}
	if f, err := m.made(ctx, r, v); f != nil || err != nil {
		return f, err
	}
	return m.make(ctx, r, v)
}

// made opens a thumbnail that was made before; nil when there is none.
func (m *Media) made(ctx context.Context, r *row, v variant) (*File, error) {
	var result, contentType string
	var size int64
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlThumbnail, r.blob, v.width, v.height, v.name()).Scan(&result, &size, &contentType)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read thumbnail row: %w", err)
	}
	return m.open(ctx, result, m.face(r, contentType))
}

// face describes a thumbnail to be given out.
func (m *Media) face(r *row, contentType string) File {
	return File{ContentType: contentType, Name: ThumbnailName + endings[contentType], Created: time.UnixMilli(r.created)}
}

var endings = map[string]string{"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}

// make makes a thumbnail, unless somebody else has while this call waited for a slot.
func (m *Media) make(ctx context.Context, r *row, v variant) (*File, error) {
	select {
	case m.making <- struct{}{}:
		defer func() { <-m.making }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f, err := m.made(ctx, r, v); f != nil || err != nil {
		return f, err
	}
	f, err := m.open(ctx, r.blob, m.face(r, ""))
	if err != nil {
		return nil, err
	}
	given := false
	defer func() {
		if !given {
			_ = f.Close() // only read
		}
	}()
	p, err := m.inspect(f)
	if err != nil {
		return nil, err
	}
	small := v.box == unscaled || p.fits(v.box)
	if small && (!p.moving || v.moving) || p.moving && v.moving && !m.mayMove(p) && f.Size <= maxMovingOriginal {
		given = true
		face := m.face(r, "image/"+p.format)
		f.ContentType, f.Name = face.ContentType, face.Name
		return f, nil
	}
	body, contentType, err := m.render(p, f, v)
	if err != nil {
		return nil, err
	}
	return m.store(ctx, r, v, body, contentType)
}

// render makes the bytes of a thumbnail from the picture in f.
func (m *Media) render(p *picture, f io.Reader, v variant) (body []byte, contentType string, err error) {
	defer p.close()
	if v.moving && m.mayMove(p) {
		m.reserve(p, p.count*p.weight)
		body, err = animate(f, v.box, v.method)
		return body, "image/gif", err
	}
	if err := m.decode(p, f); err != nil {
		return nil, "", err
	}
	b := v.box
	if b == unscaled {
		b = box{p.size.X, p.size.Y}
	}
	if body, contentType, err = p.thumbnail(b, v.method); err != nil {
		err = fmt.Errorf("encode thumbnail: %w", err)
	}
	return body, contentType, err
}

// store keeps a thumbnail and gives it out. Where there is no room for more of them it is given out all the same.
func (m *Media) store(ctx context.Context, r *row, v variant, body []byte, contentType string) (*File, error) {
	loose := m.face(r, contentType)
	loose.ReadSeekCloser, loose.Hash, loose.Size = inMemory{bytes.NewReader(body)}, sha256.Sum256(body), int64(len(body))
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) error { return m.mayKeep(tx, loose.Size) })
	if errors.Is(err, errThumbnails) {
		return &loose, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := m.Blobs.Put(ctx, bytes.NewReader(body), loose.Size)
	if err == nil {
		err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
			if err := m.mayKeep(tx, info.Size); err != nil {
				return err
			}
			n, err := tx.Exec(sqlAddThumbnail, r.blob, v.width, v.height, v.name(), info.Hash.String(), info.Size, contentType)
			if err != nil || n == 0 {
				return err
			}
			return count(tx, thumbnails, info.Size, 1)
		})
	}
	switch {
	case durable.Full(err), errors.Is(err, errThumbnails):
		return &loose, nil
	case err != nil:
		return nil, fmt.Errorf("keep thumbnail: %w", err)
	}
	return m.open(ctx, info.Hash.String(), m.face(r, contentType))
}

var errThumbnails = errors.New("there are as many thumbnails as may be")

// mayKeep checks that there is room for a thumbnail.
func (m *Media) mayKeep(tx *sqldb.Tx, size int64) error {
	bytes, _, err := usage(tx, thumbnails)
	if err == nil && bytes+size > m.MaxThumbnails {
		err = errThumbnails
	}
	return err
}

// inMemory is a file that is nowhere else.
type inMemory struct{ *bytes.Reader }

// Close does nothing.
func (inMemory) Close() error { return nil }

var (
	errNoPicture = fault.New(fault.Unknown, "Cannot generate thumbnails for this content")
	errPixels    = fault.New(fault.TooLarge, "This picture is too large to make a thumbnail of")
)
