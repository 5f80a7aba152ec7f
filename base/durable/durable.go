// Package durable writes files that are whole after a power cut: either the old content is there or the new one, and
// what a function here has returned from without an error is on the disk.
//
// The order is always the same: write a temporary file in the directory of its target, fsync it, give it its name in
// one step, fsync the directory. A crash in between leaves at most a temporary file, whose name begins with TempPrefix.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"freehold.example/matrix/fault"
)

// ErrFull answers whoever wants something kept while there is no room for it. It is the one answer of this server to that,
// whether a file or the database has met it, and it is worth trying again: nothing has to be restarted once there is room.
var ErrFull = fault.New(fault.Unknown, "The server's disk is full: nothing can be saved until there is room again").
	WithStatus(503).After(30 * time.Second)

// Full says that a file system has no room, or none for this program, or that this was answered with ErrFull already.
func Full(err error) bool {
	f, ok := errors.AsType[*fault.Fault](err)
	return ok && f.Text == ErrFull.Text || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// TempPrefix begins the name of every temporary file made here.
const TempPrefix = ".tmp-"

// WriteFile puts data at path with the permissions perm, replacing what is there.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, (*Temp).Replace)
}

// CreateFile puts data at path, readable by the owner alone, and fails with fs.ErrExist when something is there
// already. It is for keys: of several that create at once exactly one succeeds, and nobody ever sees half a key.
func CreateFile(path string, data []byte) error {
	return write(path, data, 0o600, (*Temp).Create)
}

func write(path string, data []byte, perm fs.FileMode, finish func(*Temp, string) error) error {
	t, err := NewTemp(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer t.Discard()
	if _, err := t.Write(data); err != nil {
		return err
	}
	if err := t.file.Chmod(perm); err != nil {
		return err
	}
	return finish(t, path)
}

// Temp is a file being written that has no name of its own yet. It ends with Replace, Create or Discard.
type Temp struct {
	file *os.File
	done bool
}

// NewTemp makes an empty file in dir, readable by the owner alone.
func NewTemp(dir string) (*Temp, error) {
	f, err := os.CreateTemp(dir, TempPrefix)
	if err != nil {
		return nil, err
	}
	return &Temp{file: f}, nil
}

// Write appends b.
func (t *Temp) Write(b []byte) (int, error) { return t.file.Write(b) }

// Sync makes what was written durable; the file has no name yet.
func (t *Temp) Sync() error { return t.file.Sync() }

// Replace makes the file durable under path, in the same file system, in place of what is there.
func (t *Temp) Replace(path string) error {
	if err := t.close(); err != nil {
		return err
	}
	if err := os.Rename(t.file.Name(), path); err != nil {
		return err
	}
	t.done = true
	return SyncDir(filepath.Dir(path))
}

// Create makes the file durable under path, or fails with fs.ErrExist when something is there. The file system has to
// know hard links.
func (t *Temp) Create(path string) error {
	if err := t.close(); err != nil {
		return err
	}
	if err := os.Link(t.file.Name(), path); err != nil {
		return err
	}
	t.done = true
	if err := os.Remove(t.file.Name()); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// close makes the content durable and closes the file.
func (t *Temp) close() error {
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", t.file.Name(), err)
	}
	return t.file.Close()
}

// Discard removes the file. After Replace or Create it does nothing, so it can be deferred.
func (t *Temp) Discard() {
	if t.done {
		return
	}
	t.done = true
	_ = t.file.Close() // closed already when Replace or Create failed
	_ = os.Remove(t.file.Name())
}

// MkdirAll makes path and its missing parents, for the owner alone, and makes the new entries durable.
func MkdirAll(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("is not a directory")}
		}
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(parent)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened for it there; NTFS journals names
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close() // the first error says more
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return d.Close()
}
