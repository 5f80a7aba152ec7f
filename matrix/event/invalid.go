package event

import (
	"errors"
	"fmt"
)

// Limits of an event (Client-Server API, "Size limits"; the PDU schemas of the room versions).
const (
	// limit: one event | %b | 413
	MaxSize   = 65536 // bytes of the whole event in canonical JSON, signatures included, unsigned not
	MaxString = 255   // bytes of type and state_key, or code points (version.CodePointLimits); identifiers have id.MaxLength
	MaxAuth   = 10    // entries of auth_events
	MaxPrev   = 20    // entries of prev_events

	// MaxRaw is how many bytes Parse looks at: what an event of MaxSize can be blown up to by escapes, and generous room
	// for unsigned. It is our own limit.
	MaxRaw = 512 << 10
)

// ErrTooLarge is what an *Invalid is, by errors.Is, when the event or one of its fields is over a size limit.
var ErrTooLarge = errors.New("event too large")

// Invalid says why some bytes are not an event of their room version. Such an event is dropped (Server-Server API,
// "Checks performed on receipt of a PDU", 1), or refused when a client sent it.
type Invalid struct {
	Reason string
	large  bool
}

// Error gives the reason.
func (e *Invalid) Error() string { return "invalid event: " + e.Reason }

// Is makes errors.Is(err, ErrTooLarge) work.
func (e *Invalid) Is(target error) bool { return target == ErrTooLarge && e.large }

func invalid(format string, args ...any) error { return &Invalid{Reason: fmt.Sprintf(format, args...)} }

func tooLarge(format string, args ...any) error {
	return &Invalid{Reason: fmt.Sprintf(format, args...), large: true}
}
