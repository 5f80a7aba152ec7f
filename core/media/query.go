package media

import (
	"net/url"
	"strconv"
	"time"

	"freehold.example/matrix/fault"
)

// ParseSize reads which thumbnail a query asks for, of clients and of servers alike.
func ParseSize(q url.Values) (Size, error) {
	width, errWidth := strconv.Atoi(q.Get("width"))
	height, errHeight := strconv.Atoi(q.Get("height"))
	if errWidth != nil || errHeight != nil {
		return Size{}, fault.New(fault.InvalidParam, "width and height must be numbers")
	}
	return Size{Width: width, Height: height, Method: Method(q.Get("method")), Animated: q.Get("animated") == "true"}, nil
}

// ParseWait reads how long the caller will wait for content that is not uploaded yet: timeout_ms, at most UsualWait.
func ParseWait(q url.Values) time.Duration {
	ms, err := strconv.ParseInt(q.Get("timeout_ms"), 10, 64)
	if err != nil || ms < 0 {
		return UsualWait
	}
	return time.Duration(min(ms, UsualWait.Milliseconds())) * time.Millisecond
}
