//go:build unix

package keep

import (
	"io/fs"
	"os"
	"syscall"
)

// sameOwner gives a file that was replaced to who had it, as far as this user may.
func sameOwner(path string, was fs.FileInfo) {
	if s, ok := was.Sys().(*syscall.Stat_t); ok {
		_ = os.Chown(path, int(s.Uid), int(s.Gid)) // said above
	}
}
