//go:build !unix

package durable

import "os"

// Lock keeps the file at path open. Where there is no flock, a file that is open cannot be removed, so that its removal is
// the question whether another process has it: ErrLocked.
func Lock(path string) (unlock func() error, err error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, ErrLocked
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}
