//go:build !linux

package split

import "os"

// scratch is where the servers' folders are made.
func scratch() string { return os.TempDir() }
