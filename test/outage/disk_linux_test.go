package outage

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// disk is a file system so small that a test can fill it.
type disk struct {
	t      *testing.T
	dir    string
	filler string
}

// smallest is what a server and a few messages need, with something to spare; bytes.
const smallest = 24 << 20

// smallDisk makes a file system of a few megabytes for one test. That takes the right to mount; where there is none, a
// /dev/shm as small as containers have it is taken, most of it being filled beforehand.
func smallDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{t: t}
	mounted := t.TempDir()
	err := syscall.Mount("freehold-test", mounted, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=24m")
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(mounted, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		d.dir = mounted
	} else {
		d.dir = sharedMemory(t, err)
	}
	d.filler = filepath.Join(d.dir, "filler")
	return d
}

// sharedMemory is a directory in /dev/shm with no more room than smallest.
func sharedMemory(t *testing.T, mountErr error) string {
	t.Helper()
	const shm, most = "/dev/shm", 512 << 20
	var s syscall.Statfs_t
	if err := syscall.Statfs(shm, &s); err != nil || int64(s.Blocks)*s.Bsize > most || int64(s.Bavail)*s.Bsize < smallest {
		t.Skipf("this test needs a small disk that it can fill: let it mount one (root, or docker run --cap-add SYS_ADMIN), "+
			"or give it a /dev/shm of 64 MB (docker's own); mounting failed with: %v", mountErr)
	}
	dir, err := os.MkdirTemp(shm, "freehold-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &disk{t: t, dir: dir, filler: filepath.Join(dir, "ballast")}
	d.leave(smallest)
	return dir
}

// fill leaves no byte.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		n, err := f.Write(make([]byte, size))
		if errors.Is(err, syscall.ENOSPC) || n < size {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// leave fills all but so many bytes.
func (d *disk) leave(bytes int64) {
	d.t.Helper()
	d.fill()
	info, err := os.Stat(d.filler)
	if err == nil {
		err = os.Truncate(d.filler, max(info.Size()-bytes, 0))
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// free takes the filler away.
func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(d.filler); err != nil {
		d.t.Fatal(err)
	}
}
