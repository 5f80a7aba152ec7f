//go:build unix

package durable

import (
	"errors"
	"os"
	"syscall"
)

// Lock takes the file at path for this process, making it when it is not there; the kernel gives it back when the process
// ends, however it ends. The error is ErrLocked when another holds it. The file itself stays: removing it would let two
// processes lock two files of one name.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // the first error says more
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, err
	}
	return f.Close, nil
}
