package doctor

import (
	"fmt"
	"syscall"
)

// kinds are the file systems that matter, by the number that statfs gives (statfs(2)).
var kinds = map[int64]string{
	0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x01021997: "9p",
	0x65735546: "fuse", 0x00c36400: "ceph", 0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs",
}

// fileSystem is the kind of file system that a directory is on, and the bytes that are free for this user.
func fileSystem(dir string) (kind string, free int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return "", 0, err
	}
	kind, ok := kinds[int64(s.Type)&0xffffffff] //nolint:unconvert // an int32 on some
	if !ok {
		kind = fmt.Sprintf("%#x", s.Type)
	}
	return kind, int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // no disk has 2^63 bytes
}

// openFiles is how many files this process may have open.
func openFiles() (uint64, error) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return l.Max, err
}
