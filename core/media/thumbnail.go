package media

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"image"
	"io"
	"time"

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
}

// ThumbnailName is the name thumbnails are given out under, without its ending.
const ThumbnailName = "thumbnail"

// Thumbnail opens a picture made smaller. A picture that is small already, or a size beyond the largest that is made,
// gives the picture itself. What is no picture is M_UNKNOWN with status 400; one with too many pixels is M_TOO_LARGE.
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
		return m.original(ctx, r)
	}
	if f, err := m.made(ctx, r, b, want.Method); f != nil || err != nil {
		return f, err
	}
	return m.make(ctx, r, b, want.Method)
}

// made opens a thumbnail that was made before; nil when there is none.
func (m *Media) made(ctx context.Context, r *row, b box, method Method) (*File, error) {
	var result, contentType string
	var size int64
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlThumbnail, r.blob, b.width, b.height, string(method)).Scan(&result, &size, &contentType)
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
func (m *Media) make(ctx context.Context, r *row, b box, method Method) (*File, error) {
	select {
	case m.making <- struct{}{}:
		defer func() { <-m.making }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f, err := m.made(ctx, r, b, method); f != nil || err != nil {
		return f, err
	}
	source, err := m.open(ctx, r.blob, File{})
	if err != nil {
		return nil, err
	}
	defer source.Close()
	picture, err := m.decode(source, b)
	if err != nil {
		return nil, err
	}
	defer picture.close()
	if picture.img == nil {
		return m.original(ctx, r)
	}
	body, contentType, err := picture.thumbnail(b, method)
	picture.close() // before the disk is waited for
	if err != nil {
		return nil, fmt.Errorf("encode thumbnail: %w", err)
	}
	info, err := m.Blobs.Put(ctx, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, fmt.Errorf("keep thumbnail: %w", err)
	}
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlAddThumbnail, r.blob, b.width, b.height, string(method), info.Hash.String(), info.Size, contentType)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keep thumbnail: %w", err)
	}
	return m.open(ctx, info.Hash.String(), m.face(r, contentType))
}

var (
	errNoPicture = fault.New(fault.Unknown, "Cannot generate thumbnails for this content")
	errPixels    = fault.New(fault.TooLarge, "This picture is too large to make a thumbnail of")
)

// original opens the picture itself, if it is one.
func (m *Media) original(ctx context.Context, r *row) (*File, error) {
	f, err := m.open(ctx, r.blob, File{})
	if err != nil {
		return nil, err
	}
	_, format, err := image.DecodeConfig(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close() // the first error says more
		return nil, errNoPicture.Because(err)
	}
	face := m.face(r, "image/"+format)
	f.ContentType, f.Name, f.Created = face.ContentType, face.Name, face.Created
	return f, nil
}
