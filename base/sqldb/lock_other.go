//go:build !unix

package sqldb

import (
	"fmt"
	"os"
)

// lockFile keeps the file open. Where there is no flock, a file that is open cannot be removed, so that its removal is
// the question whether another process has it.
func lockFile(path string) (unlock func() error, err error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("another process uses this data directory (it holds %s): %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return f.Close, nil
}
