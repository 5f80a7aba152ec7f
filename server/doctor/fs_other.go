//go:build !linux

package doctor

import "errors"

func fileSystem(string) (kind string, free int64, err error) { return "", 0, errors.ErrUnsupported }

func openFiles() (uint64, error) { return 0, errors.ErrUnsupported }
