package server

import (
	"errors"
	"strconv"
	"strings"
)

// Size is a setting in bytes: "100MiB", "10GiB", "1.5TiB", "2GB", or a plain number.
type Size int64

var units = []struct {
	suffix string
	bytes  float64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"tib", 1 << 40},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"tb", 1e12},
	{"b", 1},
	{"", 1},
}

// UnmarshalText reads a size, in capitals or not.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.ToLower(strings.TrimSpace(string(b)))
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n >= 0) || n*u.bytes >= 1<<62 {
			break
		}
		*s = Size(n * u.bytes)
		return nil
	}
	return errors.New("is not a size such as 100MiB or 10GiB")
}

// MarshalText is the size in the largest unit that leaves it whole.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range []struct {
		suffix string
		bytes  Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s != 0 && s%u.bytes == 0 {
			return []byte(strconv.FormatInt(int64(s/u.bytes), 10) + u.suffix), nil
		}
	}
	return []byte(strconv.FormatInt(int64(s), 10)), nil
}
