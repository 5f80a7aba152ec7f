package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/base/durable"
)

// Files is a Store in a directory: <root>/ab/cd/abcd... . Names are made from hashes alone, so no input can lead out of
// the root. The directory belongs to one process at a time.
type Files struct {
	root string
	now  func() time.Time

	// lanes[b] orders what happens in the directories of hashes that begin with b: that a name appears, is touched or
	// disappears. It is held over no more than a few file system calls, never over the reading of content.
	lanes [256]sync.Mutex

	buffers sync.Pool // of *[]byte, through which content is read

	holds atomic.Int64 // Delete removes nothing while it is not 0
}

var _ Store = (*Files)(nil)

// Open makes the store in root, creating the directory when it is missing, and removes what an interrupted Put left.
// now is the server's clock.
func Open(root string, now func() time.Time) (*Files, error) {
	f := &Files{root: root, now: now}
	f.buffers.New = func() any { b := make([]byte, 256<<10); return &b }
	if err := durable.MkdirAll(f.incoming()); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	left, err := os.ReadDir(f.incoming())
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(f.incoming(), e.Name())); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	return f, nil
}

// Look is a store to read from, also while another process uses it; nothing is made or removed.
func Look(root string) *Files { return &Files{root: root, now: time.Now} }

// incoming is where content is written until its hash is known.
func (f *Files) incoming() string { return filepath.Join(f.root, "incoming") }

func (f *Files) path(h Hash) string {
	s := h.String()
	return filepath.Join(f.root, s[:2], s[2:4], s)
}

// Put implements Store.
func (f *Files) Put(ctx context.Context, r io.Reader, limit int64) (Info, error) {
	tmp, err := durable.NewTemp(f.incoming())
	if err != nil {
		return Info{}, fmt.Errorf("put blob: %w", err)
	}
	defer tmp.Discard()

	sum := sha256.New()
	limit = max(limit, 0)
	// One byte more than allowed tells too large from just large enough.
	buffer := f.buffers.Get().(*[]byte)
	size, err := io.CopyBuffer(io.MultiWriter(tmp, sum), &io.LimitedReader{R: ctxReader{ctx, r}, N: limit + 1}, *buffer)
	f.buffers.Put(buffer)
	switch {
	case err != nil:
		return Info{}, fmt.Errorf("put blob: %w", err)
	case size > limit:
		return Info{}, ErrTooLarge
	}
	info := Info{Size: size, Put: f.now()}
	sum.Sum(info.Hash[:0])
	if err := f.keep(tmp, info); err != nil {
		return Info{}, fmt.Errorf("put blob: %w", err)
	}
	return info, nil
}

// keep gives the written bytes their name, or forgets them when they are there already.
func (f *Files) keep(tmp *durable.Temp, info Info) error {
	path := f.path(info.Hash)
	lane := &f.lanes[info.Hash[0]]
	lane.Lock()
	defer lane.Unlock()

	switch old, err := os.Stat(path); {
	case err == nil && old.Size() == info.Size:
		// A process that was killed may have left the name behind without making it durable.
		if err := durable.SyncDir(filepath.Dir(path)); err != nil {
			return err
		}
		// Later than before even where the clock has gone back: whoever has seen the old time must not delete this.
		if later := old.ModTime().Add(time.Millisecond); info.Put.Before(later) {
			info.Put = later
		}
		return os.Chtimes(path, info.Put, info.Put)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	if err := tmp.Replace(path); err != nil {
		_ = os.Remove(path) // it may have its name already, and nobody was told that it is kept
		return err
	}
	return os.Chtimes(path, info.Put, info.Put)
}

// Open implements Store.
func (f *Files) Open(_ context.Context, h Hash) (io.ReadSeekCloser, Info, error) {
	file, err := os.Open(f.path(h))
	if err != nil {
		return nil, Info{}, missing(err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close() // the first error says more
		return nil, Info{}, err
	}
	return file, describe(h, info), nil
}

// Stat implements Store.
func (f *Files) Stat(_ context.Context, h Hash) (Info, error) {
	info, err := os.Stat(f.path(h))
	if err != nil {
		return Info{}, missing(err)
	}
	return describe(h, info), nil
}

// Delete implements Store. The removal itself need not survive a power cut: the next cleaning finds the blob again.
func (f *Files) Delete(_ context.Context, h Hash, before time.Time) (bool, error) {
	lane := &f.lanes[h[0]]
	lane.Lock()
	defer lane.Unlock()

	info, err := os.Stat(f.path(h))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("delete blob: %w", err)
	case !info.ModTime().Before(before), f.holds.Load() > 0:
		return false, nil
	}
	if err := os.Remove(f.path(h)); err != nil {
		return false, fmt.Errorf("delete blob: %w", err)
	}
	return true, nil
}

// Hold implements Store.
func (f *Files) Hold() (release func()) {
	f.holds.Add(1)
	return sync.OnceFunc(func() { f.holds.Add(-1) })
}

// Walk implements Store. Files whose names are no hashes, or that are in the wrong directory, are passed over.
func (f *Files) Walk(ctx context.Context, fn func(Info) error) error {
	return filepath.WalkDir(f.root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != f.root:
			return nil // deleted under our hands
		case err != nil:
			return fmt.Errorf("walk blobs: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir() && path != f.root && len(e.Name()) != 2:
			return fs.SkipDir
		case !e.Type().IsRegular() || strings.HasPrefix(e.Name(), durable.TempPrefix):
			return nil
		}
		h, err := ParseHash(e.Name())
		if err != nil || f.path(h) != path {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return fmt.Errorf("walk blobs: %w", err)
		}
		return fn(describe(h, info))
	})
}

func describe(h Hash, info fs.FileInfo) Info {
	return Info{Hash: h, Size: info.Size(), Put: info.ModTime()}
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// ctxReader stops reading when the context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
