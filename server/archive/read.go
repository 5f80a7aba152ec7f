package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
)

// Visitor is told what an archive holds, as it is read. Each function may be nil; an error of one ends the reading. What it
// is told is only certain to be true once Read has returned without an error.
type Visitor struct {
	Header func(h *Header) error
	File   func(name string, content []byte) error
	Rows   func(t *sqldb.Table, rows [][]any) error         // without it rows are counted, not read
	Media  func(h blob.Hash, size int64, r io.Reader) error // must read r to its end
	// Progress is called now and then with the bytes read.
	Progress func(at Summary)
}

// Read goes through an archive from beginning to end, and checks that it is whole: its error is a *DamagedError when it
// is not.
func Read(r io.Reader, v Visitor) (Summary, error) {
	counted := &tally{r: bufio.NewReaderSize(r, 1<<20)}
	in := &reader{tar: tar.NewReader(counted), in: counted, visit: v, rows: map[string]int64{}, media: sha256.New()}
	if err := in.all(); err != nil {
		return in.sum, err
	}
	// What a copy adds at the end, such as the padding of a tape, is no harm; but it is read, so that a pipe does not break.
	_, err := io.Copy(io.Discard, counted)
	in.sum.Bytes = counted.n
	return in.sum, err
}

type reader struct {
	tar     *tar.Reader
	in      *tally
	visit   Visitor
	sum     Summary
	members []Member
	rows    map[string]int64
	media   hash.Hash
	tables  map[string]*sqldb.Table
	ended   bool
}

func (r *reader) all() error {
	for !r.ended {
		h, err := r.tar.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return damaged("it ends early, after %d bytes", r.in.n)
		}
		if errors.Is(err, tar.ErrHeader) {
			return damaged("it is no tar archive (at byte %d)", r.in.n)
		}
		if err != nil {
			return err
		}
		if err := r.member(h); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = damaged("it ends early, in %s", h.Name)
			}
			return err
		}
		r.sum.Bytes = r.in.n
		if r.visit.Progress != nil {
			r.visit.Progress(r.sum)
		}
	}
	return nil
}

// member reads one member.
func (r *reader) member(h *tar.Header) error {
	switch {
	case h.Typeflag != tar.TypeReg:
		return damaged("%s is not a regular file", h.Name)
	case r.tables == nil && h.Name != headerName:
		return damaged("it does not begin with %s", headerName)
	case strings.HasPrefix(h.Name, mediaDir):
		return r.blob(h)
	case h.Name == manifestName:
		b, err := r.bytes(h, maxManifest)
		if err != nil {
			return err
		}
		return r.end(b)
	}
	limit := int64(maxFile)
	switch {
	case h.Name == headerName:
		limit = maxHeader
	case strings.HasPrefix(h.Name, tablesDir):
		limit = maxChunk
	}
	b, err := r.bytes(h, limit)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	r.members = append(r.members, Member{Name: h.Name, Size: h.Size, Sum: hex.EncodeToString(sum[:])})
	if h.Name == headerName {
		return r.header(b)
	}
	if name, ok := strings.CutPrefix(h.Name, filesDir); ok {
		if !slices.Contains(kept, name) {
			return nil // of another version
		}
		if r.visit.File != nil {
			return r.visit.File(name, b)
		}
		return nil
	}
	if rest, ok := strings.CutPrefix(h.Name, tablesDir); ok {
		table, _, _ := strings.Cut(rest, "/")
		return r.chunk(h.Name, table, b)
	}
	return nil // of another version
}

func (r *reader) bytes(h *tar.Header, limit int64) ([]byte, error) {
	if h.Size > limit {
		return nil, damaged("%s has %d bytes, more than %d", h.Name, h.Size, limit)
	}
	b := make([]byte, 0, min(h.Size, chunkBytes))
	buf := bytes.NewBuffer(b)
	if _, err := io.Copy(buf, r.tar); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func (r *reader) header(b []byte) error {
	if r.tables != nil {
		return damaged("it has two headers")
	}
	var h Header
	if err := json.Unmarshal(b, &h); err != nil {
		return damaged("%s: %v", headerName, err)
	}
	if h.Format > format {
		return fmt.Errorf("this backup was made by a newer version of the program (%s): restore it with that one", h.Program)
	}
	if h.Format < 1 || h.Server == "" || len(h.Tables) == 0 {
		return damaged("%s lacks what it has to say", headerName)
	}
	r.tables = map[string]*sqldb.Table{}
	for i := range h.Tables {
		r.tables[h.Tables[i].Name] = &h.Tables[i]
		r.rows[h.Tables[i].Name] = 0
	}
	r.sum.Header = h
	if r.visit.Header != nil {
		return r.visit.Header(&h)
	}
	return nil
}

// chunk reads rows.
func (r *reader) chunk(name, table string, packed []byte) error {
	t := r.tables[table]
	if t == nil {
		return damaged("%s is of a table that was not announced", name)
	}
	gz, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return damaged("%s: %v", name, err)
	}
	var raw bytes.Buffer
	n, err := io.Copy(&raw, io.LimitReader(gz, maxChunk+1))
	if err != nil {
		return damaged("%s: %v", name, err)
	}
	if n > maxChunk {
		return damaged("%s has more than %d bytes of rows", name, maxChunk)
	}
	lines := int64(bytes.Count(raw.Bytes(), []byte{'\n'}))
	r.rows[table] += lines
	r.sum.Rows += lines
	if r.visit.Rows == nil { // the checksum says that they are whole
		return nil
	}
	rows := make([][]any, 0, lines)
	for line := range bytes.Lines(raw.Bytes()) {
		row, err := parseRow(line, t)
		if err != nil {
			return damaged("%s: %v", name, err)
		}
		rows = append(rows, row)
	}
	return r.visit.Rows(t, rows)
}

func (r *reader) blob(h *tar.Header) error {
	want, err := blob.ParseHash(strings.TrimPrefix(h.Name, mediaDir))
	if err != nil {
		return damaged("%s is not named by a checksum", h.Name)
	}
	sum := sha256.New()
	body := io.TeeReader(r.tar, sum)
	if r.visit.Media != nil {
		if err := r.visit.Media(want, h.Size, body); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if blob.Hash(sum.Sum(nil)) != want {
		return damaged("%s is not what it was", h.Name)
	}
	r.sum.Files.add(h.Size)
	r.media.Write(want[:])
	return nil
}

// end compares what was read with the manifest.
func (r *reader) end(b []byte) error {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return damaged("%s: %v", manifestName, err)
	}
	for i, want := range m.Members {
		if i >= len(r.members) || r.members[i].Name != want.Name {
			return damaged("%s is missing", want.Name)
		}
		if r.members[i] != want {
			return damaged("%s is not what it was", want.Name)
		}
	}
	switch {
	case len(r.members) != len(m.Members):
		return damaged("%s was added to it", r.members[len(m.Members)].Name)
	case m.Media != r.sum.Files || m.Digest != hex.EncodeToString(r.media.Sum(nil)):
		return damaged("it has %d media files, not %d, or others", r.sum.Files.Number, m.Media.Number)
	}
	total := int64(0)
	for table, n := range m.Rows {
		if r.rows[table] != n {
			return damaged("the table %s has %d rows, not %d", table, r.rows[table], n)
		}
		total += n
	}
	r.sum.Rows = total
	r.sum.Missing = m.Missing
	r.ended = true
	return nil
}

// tally counts bytes.
type tally struct {
	r io.Reader
	n int64
}

func (t *tally) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	return n, err
}
