package split

import (
	"os"
	"syscall"
)

// scratch is where the servers' folders are made: in memory, as histories are about what is written and not about how fast, where there
// is some for it. Containers may have as little as 64 MB, and test/outage fills that.
func scratch() string {
	const shm, wanted = "/dev/shm", 1 << 30
	var s syscall.Statfs_t
	if err := syscall.Statfs(shm, &s); err == nil && int64(s.Bavail)*s.Bsize >= wanted {
		return shm
	}
	return os.TempDir()
}
