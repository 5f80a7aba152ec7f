//go:build !linux

package server

import "time"

// oscillator is a clock that nobody sets; here it may be slewed.
func oscillator() time.Duration { return time.Since(began) }

var began = time.Now()
