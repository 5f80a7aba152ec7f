// Package fault is the one error type that crosses floors: a Matrix error code and a text for the caller, a cause for
// the log.
//
// The deepest code that knows what went wrong picks the code; base/route writes it out. Any error that is not a *Fault
// is answered 500 M_UNKNOWN and its text never leaves the server.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// Code is a Matrix errcode (Client-Server API, "Standard error response").
type Code string

// The codes this server answers with.
const (
	Forbidden                Code = "M_FORBIDDEN"
	UnknownToken             Code = "M_UNKNOWN_TOKEN"
	MissingToken             Code = "M_MISSING_TOKEN"
	UserLocked               Code = "M_USER_LOCKED"
	UserSuspended            Code = "M_USER_SUSPENDED"
	BadJSON                  Code = "M_BAD_JSON"
	NotJSON                  Code = "M_NOT_JSON"
	NotFound                 Code = "M_NOT_FOUND"
	LimitExceeded            Code = "M_LIMIT_EXCEEDED"
	Unrecognized             Code = "M_UNRECOGNIZED"
	Unknown                  Code = "M_UNKNOWN"
	Unauthorized             Code = "M_UNAUTHORIZED"
	UserDeactivated          Code = "M_USER_DEACTIVATED"
	UnknownDevice            Code = "M_UNKNOWN_DEVICE"
	URLNotSet                Code = "M_URL_NOT_SET"
	BadStatus                Code = "M_BAD_STATUS"
	UserInUse                Code = "M_USER_IN_USE"
	InvalidUsername          Code = "M_INVALID_USERNAME"
	RoomInUse                Code = "M_ROOM_IN_USE"
	InvalidRoomState         Code = "M_INVALID_ROOM_STATE"
	UnsupportedRoomVersion   Code = "M_UNSUPPORTED_ROOM_VERSION"
	IncompatibleRoomVersion  Code = "M_INCOMPATIBLE_ROOM_VERSION"
	BadState                 Code = "M_BAD_STATE"
	GuestAccessForbidden     Code = "M_GUEST_ACCESS_FORBIDDEN"
	InviteBlocked            Code = "M_INVITE_BLOCKED"
	MissingParam             Code = "M_MISSING_PARAM"
	InvalidParam             Code = "M_INVALID_PARAM"
	TooLarge                 Code = "M_TOO_LARGE"
	Exclusive                Code = "M_EXCLUSIVE"
	ResourceLimitExceeded    Code = "M_RESOURCE_LIMIT_EXCEEDED"
	BadAlias                 Code = "M_BAD_ALIAS"
	WeakPassword             Code = "M_WEAK_PASSWORD"
	WrongRoomKeysVersion     Code = "M_WRONG_ROOM_KEYS_VERSION"
	InvalidSignature         Code = "M_INVALID_SIGNATURE"
	DuplicateAnnotation      Code = "M_DUPLICATE_ANNOTATION"
	NotYetUploaded           Code = "M_NOT_YET_UPLOADED"
	CannotOverwriteMedia     Code = "M_CANNOT_OVERWRITE_MEDIA"
	UnknownPos               Code = "M_UNKNOWN_POS"
	UserLimitExceeded        Code = "M_USER_LIMIT_EXCEEDED"
	UnableToAuthoriseJoin    Code = "M_UNABLE_TO_AUTHORISE_JOIN"
	UnableToGrantJoin        Code = "M_UNABLE_TO_GRANT_JOIN"
	ConnectionFailed         Code = "M_CONNECTION_FAILED"
	ConnectionTimeout        Code = "M_CONNECTION_TIMEOUT"
	CannotLeaveServerNotices Code = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
	ThreePIDDenied           Code = "M_THREEPID_DENIED"
	ThreePIDNotFound         Code = "M_THREEPID_NOT_FOUND"
	ThreePIDNotSupported     Code = "M_THREEPID_MEDIUM_NOT_SUPPORTED"
	KeyTooLarge              Code = "M_KEY_TOO_LARGE"
	ProfileTooLarge          Code = "M_PROFILE_TOO_LARGE"
)

// status is the HTTP status a code usually goes with; codes not named here go with 400.
var status = map[Code]int{
	Forbidden:             http.StatusForbidden,
	UnknownToken:          http.StatusUnauthorized,
	MissingToken:          http.StatusUnauthorized,
	UserLocked:            http.StatusUnauthorized,
	Unauthorized:          http.StatusUnauthorized,
	UserSuspended:         http.StatusForbidden,
	UserDeactivated:       http.StatusForbidden,
	GuestAccessForbidden:  http.StatusForbidden,
	InviteBlocked:         http.StatusForbidden,
	ResourceLimitExceeded: http.StatusForbidden,
	UserLimitExceeded:     http.StatusForbidden,
	WrongRoomKeysVersion:  http.StatusForbidden,
	UnableToGrantJoin:     http.StatusForbidden,
	NotFound:              http.StatusNotFound,
	Unrecognized:          http.StatusNotFound,
	LimitExceeded:         http.StatusTooManyRequests,
	TooLarge:              http.StatusRequestEntityTooLarge,
	CannotOverwriteMedia:  http.StatusConflict,
	NotYetUploaded:        http.StatusGatewayTimeout,
	BadStatus:             http.StatusBadGateway,
	ConnectionFailed:      http.StatusBadGateway,
	ConnectionTimeout:     http.StatusGatewayTimeout,

	ThreePIDDenied:           http.StatusForbidden,
	CannotLeaveServerNotices: http.StatusForbidden,
}

// Fault is an error with a meaning for the caller. Its methods return changed copies, so that a Fault kept in a variable
// can be refined without being altered for others.
type Fault struct {
	Code       Code
	Text       string         // for the caller; plain words, no internals
	Status     int            // HTTP status
	RetryAfter time.Duration  // with LimitExceeded: when it is worth trying again
	Extra      map[string]any // further members of the error body (soft_logout, flows, room_version ...)
	Cause      error          // for the log only
}

// New makes a fault with the status its code usually has.
func New(code Code, text string) *Fault {
	s, ok := status[code]
	if !ok {
		s = http.StatusBadRequest
	}
	return &Fault{Code: code, Text: text, Status: s}
}

// Newf is New with a formatted text.
func Newf(code Code, format string, args ...any) *Fault {
	return New(code, fmt.Sprintf(format, args...))
}

// Because records what led to the fault; it is logged, never sent.
func (f *Fault) Because(err error) *Fault { c := *f; c.Cause = err; return &c }

// WithStatus answers with another HTTP status than the code's usual one.
func (f *Fault) WithStatus(status int) *Fault { c := *f; c.Status = status; return &c }

// After says when the caller may try again.
func (f *Fault) After(d time.Duration) *Fault { c := *f; c.RetryAfter = d; return &c }

// With adds a member to the error body.
func (f *Fault) With(key string, value any) *Fault {
	c := *f
	c.Extra = make(map[string]any, len(f.Extra)+1)
	maps.Copy(c.Extra, f.Extra)
	c.Extra[key] = value
	return &c
}

// Error is for logs: code, text and cause.
func (f *Fault) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", f.Code, f.Text, f.Cause)
	}
	return fmt.Sprintf("%s: %s", f.Code, f.Text)
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Is says whether err is, or wraps, a fault with this code.
func Is(err error, code Code) bool {
	f, ok := errors.AsType[*Fault](err)
	return ok && f.Code == code
}
