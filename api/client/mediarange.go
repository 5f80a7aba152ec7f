package client

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"freehold.example/matrix/fault"
)

// maxRanges is how many parts of a file one request may ask for; who asks for more gets the whole.
const maxRanges = 8

var errRange = errors.New("malformed range")

// checkRange prepares the Range header of a request for net/http, which takes more than it should: what is malformed, of
// other units or too much is as if it had not been asked for, and what lies behind the end is refused in the form of all
// errors. https://www.rfc-editor.org/rfc/rfc9110#section-14.2
func checkRange(w http.ResponseWriter, r *http.Request, size int64) error {
	header := r.Header.Get("Range")
	if header == "" {
		return nil
	}
	list, ok := strings.CutPrefix(header, "bytes=")
	parts := strings.Split(list, ",")
	if !ok || len(r.Header.Values("Range")) > 1 || len(parts) > maxRanges {
		r.Header.Del("Range")
		return nil
	}
	reachable, all, total := false, true, int64(0)
	for _, part := range parts {
		length, err := rangeLength(strings.TrimSpace(part), size)
		if err != nil {
			r.Header.Del("Range")
			return nil
		}
		reachable, all = reachable || length > 0, all && length > 0
		total += length
	}
	if total > size || reachable && !all { // parts that overlap, or of which some are not there
		r.Header.Del("Range")
		return nil
	}
	if !reachable && r.Header.Get("If-Range") == "" {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return fault.New(fault.InvalidParam, "The file ends before the part that was asked for").WithStatus(http.StatusRequestedRangeNotSatisfiable)
	}
	return nil
}

// rangeLength is how many bytes of a file a part "a-b", "a-" or "-n" means; 0 when it lies behind the end.
func rangeLength(part string, size int64) (int64, error) {
	from, to, ok := strings.Cut(part, "-")
	if !ok || from == "" && to == "" {
		return 0, errRange
	}
	number := func(s string) (int64, error) {
		if s == "" || strings.Trim(s, "0123456789") != "" {
			return 0, errRange
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil { // digits, but too many: further than any file reaches
			return 1<<63 - 1, nil
		}
		return n, nil
	}
	if from == "" {
		n, err := number(to)
		return min(n, size), err
	}
	first, err := number(from)
	if err != nil {
		return 0, err
	}
	last := size - 1
	if to != "" {
		if last, err = number(to); err != nil {
			return 0, err
		}
		if last < first {
			return 0, errRange
		}
	}
	return max(min(last, size-1)-first+1, 0), nil
}
