package durable

import "errors"

// ErrLocked answers Lock when another process holds the file.
var ErrLocked = errors.New("another process holds the lock")
