package client

import (
	"strings"

	"freehold.example/core/account"
	"freehold.example/matrix/fault"
)

// standing refuses what a locked or suspended account may not do. row is the method and path of the route's row.
//
// Both are decided here for every row there is: a new one is closed to locked accounts, and to suspended ones unless it
// only reads, until it is named below. docs/routes.md shows the outcome.
func standing(s *account.Session, row string) error {
	switch {
	case s.Locked && !whileLocked(row):
		return fault.New(fault.UserLocked, "This account has been locked").With("soft_logout", true)
	case s.Suspended && !whileSuspended(row):
		return errSuspended
	}
	return nil
}

var errSuspended = fault.New(fault.UserSuspended, "You cannot do this while your account is suspended")

// whileLocked says what a locked account may do: end its sessions (Client-Server API, "Account locking").
func whileLocked(row string) bool {
	return row == "POST /_matrix/client/v3/logout" || row == "POST /_matrix/client/v3/logout/all"
}

// whileSuspended says what a suspended account may do (Client-Server API, "Account suspension"): read, keep its devices and
// their keys in order, leave, take back what it said, and go. It may not reach anybody: join, knock, invite, send, or
// show another name or picture.
func whileSuspended(row string) bool {
	method, path, _ := strings.Cut(row, " ")
	if method == "GET" {
		return true
	}
	for _, chapter := range []string{
		"/_matrix/client/v3/keys/",         // device keys and cross-signing
		"/_matrix/client/v3/room_keys/",    // key backup
		"/_matrix/client/v3/sendToDevice/", // verification of one's own devices goes this way
		"/_matrix/client/v3/devices/",
		"/_matrix/client/unstable/org.matrix.msc3814.v1/", // the one that is kept while she is away
		"/_matrix/client/v3/pushrules/",
		"/_matrix/client/v3/pushers/",
	} {
		if strings.HasPrefix(path, chapter) {
			return true
		}
	}
	switch strings.TrimPrefix(path, "/_matrix/client") {
	case "/v3/logout", "/v3/logout/all", "/v3/delete_devices", "/v3/account/deactivate", "/v3/account/password",
		"/v1/login/get_token":
		return true
	case "/v3/rooms/{roomID}/leave", "/v3/rooms/{roomID}/forget":
		return true
	case "/v3/rooms/{roomID}/redact/{eventID}/{txnID}": // the endpoint looks whose event it is
		return true
	case "/v3/rooms/{roomID}/receipt/{type}/{eventID}", "/v3/rooms/{roomID}/read_markers":
		return true
	case "/v3/user/{userID}/filter", "/v3/user/{userID}/account_data/{type}", "/v3/user/{userID}/rooms/{roomID}/account_data/{type}",
		"/v3/user/{userID}/rooms/{roomID}/tags/{tag}":
		return true
	case "/unstable/io.element.msc4306/rooms/{roomID}/thread/{eventID}/subscription":
		return true
	case "/unstable/org.matrix.msc3391/user/{userID}/account_data/{type}",
		"/unstable/org.matrix.msc3391/user/{userID}/rooms/{roomID}/account_data/{type}":
		return true
	case "/v3/rooms/{roomID}/report", "/v3/rooms/{roomID}/report/{eventID}", "/v3/users/{userID}/report":
		return true
	case "/v3/account/3pid", "/v3/account/3pid/add", "/v3/account/3pid/bind": // "change or add, but not remove"
		return true
	case "/v3/publicRooms", "/v3/user_directory/search", "/unstable/event_relationships", "/v4/sync",
		"/unstable/org.matrix.simplified_msc3575/sync": // POST, and yet they only read
		return true
	}
	return false
}
