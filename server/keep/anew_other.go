//go:build !unix

package keep

import "errors"

// Anew leaves it to who manages the process to start it.
func Anew() error { return errors.ErrUnsupported }
