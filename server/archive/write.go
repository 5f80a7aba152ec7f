package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/core/media"
	"freehold.example/matrix/id"
)

// Source is a server to make an archive of. It may be in use. All fields are needed.
type Source struct {
	DB      *sqldb.DB
	Blobs   blob.Store
	Dir     string // the data directory, for the files beside the database
	Server  id.Server
	Program string // version
	Now     func() time.Time
}

// Write makes the archive: all tables and the list of media from one snapshot, then the media, which nothing deletes
// meanwhile. The snapshot ends before the first of them is read, as a database cannot tidy up behind one.
func (s Source) Write(ctx context.Context, out io.Writer) (Summary, error) {
	defer s.Blobs.Hold()()
	counted := &counter{w: out}
	w := &writer{tar: tar.NewWriter(counted), now: s.Now(), media: sha256.New()}
	w.manifest.Members, w.manifest.Rows = []Member{}, map[string]int64{}
	header := Header{Format: format, Server: s.Server, Program: s.Program, Created: w.now.UTC(), Engine: s.DB.Engine()}
	var blobs []blob.Hash
	err := s.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if blobs, header.Media.Bytes, err = media.Referenced(tx); err != nil {
			return err
		}
		header.Media.Number = int64(len(blobs))
		if err := header.read(tx); err != nil {
			return err
		}
		if err := w.json(headerName, header); err != nil {
			return err
		}
		if err := s.files(w); err != nil {
			return err
		}
		for _, t := range header.Tables {
			if err := w.table(tx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return Summary{}, fmt.Errorf("back up the database: %w", err)
	}
	for _, h := range blobs {
		if err := s.blob(ctx, w, h); err != nil {
			return Summary{}, fmt.Errorf("back up the file %s: %w", h, err)
		}
	}
	w.manifest.Digest = hex.EncodeToString(w.media.Sum(nil))
	if err := errors.Join(w.json(manifestName, w.manifest), w.tar.Close()); err != nil {
		return Summary{}, err
	}
	sum := Summary{Header: header, Files: w.manifest.Media, Missing: w.manifest.Missing, Bytes: counted.n}
	for _, n := range w.manifest.Rows {
		sum.Rows += n
	}
	return sum, nil
}

// read takes from the snapshot what describes the database.
func (h *Header) read(tx *sqldb.Tx) (err error) {
	if h.Position, err = tx.High(); err != nil {
		return err
	}
	if h.Epochs, err = tx.Epochs(); err != nil {
		return err
	}
	if h.Migrations, err = tx.Migrations(); err != nil {
		return err
	}
	h.Tables, err = tx.Tables()
	return err
}

func (s Source) files(w *writer) error {
	for _, name := range kept {
		b, err := os.ReadFile(filepath.Join(s.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = w.member(filesDir+name, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s Source) blob(ctx context.Context, w *writer, h blob.Hash) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, info, err := s.Blobs.Open(ctx, h)
	if errors.Is(err, blob.ErrNotFound) {
		w.manifest.Missing = append(w.manifest.Missing, h.String())
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	return w.blob(h, info.Size, r)
}

// portion is how many bytes are worked on before those who wait for an answer are let go first: a backup is in no hurry, and
// runs in a server that is. 16 KiB take some tenths of a millisecond.
const portion = 16 << 10

// writer writes members and notes them for the manifest.
type writer struct {
	tar      *tar.Writer
	now      time.Time // of every member
	manifest Manifest
	media    hash.Hash // over the names of media
	raw      []byte    // rows that are not written yet
	packed   bytes.Buffer
	gzip     *gzip.Writer
}

func (w *writer) head(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: w.now, Format: tar.FormatPAX})
}

func (w *writer) member(name string, b []byte) error {
	if err := w.head(name, int64(len(b))); err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	w.manifest.Members = append(w.manifest.Members, Member{Name: name, Size: int64(len(b)), Sum: hex.EncodeToString(sum[:])})
	_, err := w.tar.Write(b)
	return err
}

func (w *writer) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return w.member(name, append(b, '\n'))
}

// blob writes a file whose bytes must be those that its name says.
func (w *writer) blob(h blob.Hash, size int64, r io.Reader) error {
	if err := w.head(mediaDir+h.String(), size); err != nil {
		return err
	}
	sum := sha256.New()
	to := io.MultiWriter(w.tar, sum)
	for {
		runtime.Gosched()
		_, err := io.CopyN(to, r, portion)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if got := blob.Hash(sum.Sum(nil)); got != h {
		return fmt.Errorf("is damaged on the disk: its bytes have the checksum %s", got)
	}
	w.manifest.Media.add(size)
	_, err := w.media.Write(h[:])
	return err
}

// table writes the rows of a table, a member each time enough have come together.
func (w *writer) table(tx *sqldb.Tx, t sqldb.Table) error {
	w.manifest.Rows[t.Name] = 0
	n, inChunk := 0, int64(0)
	flush := func() error {
		if inChunk == 0 {
			return nil
		}
		n++
		w.manifest.Rows[t.Name] += inChunk
		inChunk = 0
		return w.chunk(fmt.Sprintf("%s%s/%06d.jsonl.gz", tablesDir, t.Name, n))
	}
	yielded := 0
	err := tx.Dump(t, func(row []any) (err error) {
		if len(w.raw)-yielded >= portion {
			runtime.Gosched()
			yielded = len(w.raw)
		}
		if w.raw, err = appendRow(w.raw, row); err != nil {
			return err
		}
		if inChunk++; len(w.raw) >= chunkBytes {
			yielded = 0
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

func (w *writer) chunk(name string) error {
	w.packed.Reset()
	if w.gzip == nil {
		gz, err := gzip.NewWriterLevel(&w.packed, gzip.BestSpeed)
		if err != nil {
			return err
		}
		w.gzip = gz
	}
	w.gzip.Reset(&w.packed)
	for part := range slices.Chunk(w.raw, portion) {
		runtime.Gosched()
		if _, err := w.gzip.Write(part); err != nil {
			return err
		}
	}
	if err := w.gzip.Close(); err != nil {
		return err
	}
	w.raw = w.raw[:0]
	return w.member(name, w.packed.Bytes())
}

// counter counts bytes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
