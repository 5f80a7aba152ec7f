package limit

import (
	"fmt"
	"time"
)

// Name is what a limit counts. The set is closed, so that it can label metrics.
type Name uint8

// The limits; the table below says what each counts. Which key each is counted by is the caller's to say: base/route
// counts signed-in requests by account and device, and all others by address.
const (
	None Name = iota // not limited
	Login
	Guess
	Password
	Account
	Token
	Register
	Refresh
	Sync
	Read
	Search
	Write
	Send
	Room
	Join
	Invite
	Create
	Keys
	ToDevice
	Ephemeral
	Upload
	Download
	Report
	Admin
	Federation

	count // how many there are; last
)

// limits are what each limit is. The numbers are meant to be out of the way of every person and of well-behaved bots, and
// to make guessing, flooding and mass registration slow.
var limits = [count]struct {
	name    string
	doc     string
	rate    Rate
	devices bool // counted by device, and by account at twice the rate
}{
	None: {name: "none"},

	Login: {"login", "Logins and other requests that show a password, by address or account", Rate{60, time.Second}, false},
	Guess: {"guess", "Wrong passwords from one address, over all accounts that it has not been used by", Rate{20, 10 * time.Second}, false},
	Password: {
		"password", "Wrong passwords for one account from one address",
		Rate{5, 30 * time.Second},
		false,
	},
	Account: {
		"account", "Wrong passwords for one account, from all the addresses that it has not been used from",
		Rate{20, 30 * time.Second},
		false,
	},
	Token:     {"token", "Access and refresh tokens that nobody has, by address", Rate{60, time.Second}, false},
	Register:  {"register", "Requests to register, by address: each account takes some three", Rate{30, 10 * time.Second}, false},
	Refresh:   {"refresh", "Access tokens renewed, by address: a house may be full of devices", Rate{300, time.Second}, false},
	Sync:      {"sync", "`/sync` and its relatives: busy rooms answer at once, again and again", Rate{60, 100 * time.Millisecond}, true},
	Read:      {"read", "Anything that only reads: a client that opens a large account", Rate{300, 20 * time.Millisecond}, true},
	Search:    {"search", "Reads that cost much or are asked while typing: directories, search, free names", Rate{30, 500 * time.Millisecond}, true},
	Write:     {"write", "Account data, profile, push rules, and what has no name of its own", Rate{100, 200 * time.Millisecond}, true},
	Send:      {"send", "Events sent into rooms: ten a second for as long as one likes", Rate{50, 100 * time.Millisecond}, true},
	Room:      {"room", "Events sent into one room by all its members", Rate{300, 20 * time.Millisecond}, false},
	Join:      {"join", "Joins, knocks and leaves: entering a space with its rooms", Rate{30, 2 * time.Second}, false},
	Invite:    {"invite", "People invited, those of `createRoom` included: a new group of fifty, then twelve a minute", Rate{50, 5 * time.Second}, false},
	Create:    {"create", "New rooms: a community with its rooms", Rate{10, 30 * time.Second}, false},
	Keys:      {"keys", "Device keys, signatures, key backup: a backup written one key at a time", Rate{200, 50 * time.Millisecond}, true},
	ToDevice:  {"to_device", "Requests to send to devices: a room key for a large room, in portions", Rate{200, 50 * time.Millisecond}, true},
	Ephemeral: {"ephemeral", "Typing, receipts, presence: scrolling through unread rooms", Rate{100, 100 * time.Millisecond}, true},
	Upload:    {"upload", "Media uploaded: an album", Rate{30, time.Second}, true},
	Download:  {"download", "Media and previews fetched: a room full of pictures", Rate{500, 10 * time.Millisecond}, true},
	Report:    {"report", "Reports: a person, not a script", Rate{10, 30 * time.Second}, false},
	Admin:     {"admin", "Administration: scripts are expected", Rate{100, 50 * time.Millisecond}, false},
	Federation: {
		"federation", "Requests of another server, by server and by address: a large one that has been away",
		Rate{500, 5 * time.Millisecond},
		false,
	},
}

// Names lists every limit but None, in order.
func Names() []Name {
	all := make([]Name, 0, count-1)
	for n := None + 1; n < count; n++ {
		all = append(all, n)
	}
	return all
}

// Doc says in a line what the limit counts.
func (n Name) Doc() string {
	if n >= count {
		return ""
	}
	return limits[n].doc
}

// PerDevice says whether the limit is one of each device, and of the account at twice the rate.
func (n Name) PerDevice() bool { return n < count && limits[n].devices }

// String is the name as the configuration and the metrics spell it.
func (n Name) String() string {
	if n >= count {
		return fmt.Sprintf("limit(%d)", uint8(n))
	}
	return limits[n].name
}

// MarshalText writes the name as the configuration spells it.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads a name from the configuration.
func (n *Name) UnmarshalText(b []byte) error {
	for i, l := range limits {
		if l.name == string(b) {
			*n = Name(i)
			return nil
		}
	}
	return fmt.Errorf("no rate limit is called %q", b)
}
