package limit

import "fmt"

// Name is what a limit counts. The set is closed, so that it can label metrics.
type Name uint8

// The limits. Which key each is counted by (account or address) is the caller's to say: base/route counts signed-in
// requests by account and all others by address.
const (
	None      Name = iota // not limited
	Login                 // password and token logins, and every other guess at a secret
	Register              // new accounts: each takes two requests or three
	Refresh               // access tokens renewed
	Sync                  // /sync and its relatives: each may be held open, so few are needed
	Read                  // anything that only reads
	Search                // reads that cost much or are asked while typing: directories, search, hierarchy, free names
	Write                 // anything that writes and has no name of its own
	Send                  // events sent into rooms
	Join                  // joins, knocks and leaves
	Invite                // invitations: each one reaches somebody who did not ask
	Create                // new rooms
	Keys                  // device keys, one-time keys, signatures, key backup
	ToDevice              // messages to devices
	Ephemeral             // typing, receipts, presence
	Upload                // media uploaded
	Download              // media and previews fetched
	Report                // reports of content and people
	Admin                 // administration

	count // how many there are; last
)

var names = [count]string{
	None: "none", Login: "login", Register: "register", Refresh: "refresh", Sync: "sync", Read: "read",
	Search: "search", Write: "write", Send: "send", Join: "join", Invite: "invite", Create: "create", Keys: "keys",
	ToDevice: "to_device", Ephemeral: "ephemeral", Upload: "upload", Download: "download", Report: "report",
	Admin: "admin",
}

// Names lists every limit but None, in order.
func Names() []Name {
	all := make([]Name, 0, count-1)
	for n := None + 1; n < count; n++ {
		all = append(all, n)
	}
	return all
}

// String is the name as the configuration and the metrics spell it.
func (n Name) String() string {
	if n >= count {
		return fmt.Sprintf("limit(%d)", uint8(n))
	}
	return names[n]
}

// MarshalText writes the name as the configuration spells it.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads a name from the configuration.
func (n *Name) UnmarshalText(b []byte) error {
	for i, s := range names {
		if s == string(b) {
			*n = Name(i)
			return nil
		}
	}
	return fmt.Errorf("no rate limit is called %q", b)
}
