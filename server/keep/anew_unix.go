//go:build unix

package keep

import (
	"fmt"
	"os"
	"syscall"
)

// Anew puts the program anew in the place of this process, which keeps its number for who manages it.
func Anew() error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start anew: %w", err)
	}
	return fmt.Errorf("start anew: %w", syscall.Exec(path, os.Args, os.Environ())) //nolint:gosec // it is this program with its own arguments
}
