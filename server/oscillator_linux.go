package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// oscillator is a clock that nobody sets or slews: the machine's own.
func oscillator() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &t); err != nil {
		return time.Since(began)
	}
	return time.Duration(t.Nano())
}

var began = time.Now()
