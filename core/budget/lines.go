package budget

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const aDay = 24 * time.Hour

// peers is the way to other homeservers.
func (c *computation) peers() {
	l := Line{
		Name: "federation", What: "other homeservers, and the way to them", Kind: Peers, Used: c.Federation, When: Now,
		Goes: "rooms with them go on among the people here; what is said meanwhile is sent when the way is back, and nothing is dropped",
		Whom: fmt.Sprintf("%s here in %s with %s", count(c.SharedUsers, "user"), count(c.SharedRooms, "room"), count(len(c.Peers), "other server")),
	}
	if len(c.Peers) == 0 {
		l.Whom = "nobody yet: no room here has members elsewhere"
		l.When = Never
	}
	l.Users, l.Rooms, l.Peers = c.SharedUsers, c.SharedRooms, len(c.Peers)
	for _, p := range c.Peers {
		t := Target{Name: string(p.Server), Users: p.Users, Rooms: p.Rooms, Peers: 1, When: Now}
		if !p.Silent.IsZero() {
			t.Note = "not reached since " + p.Silent.UTC().Format(time.DateTime)
		}
		l.Targets = append(l.Targets, t)
	}
	c.add(l)
}

// names is asking for names: who was met is found without.
func (c *computation) names() {
	l := Line{
		Name: "names", What: "name servers (DNS)", Kind: Names, Used: true, When: Now,
		Stops: "servers that were never met are not found, and phones are not woken",
	}
	var lost []Peer
	for _, p := range c.Peers {
		if !p.Address {
			lost = append(lost, p)
			l.Targets = append(l.Targets, Target{Name: string(p.Server), Users: p.Users, Rooms: p.Rooms, Peers: 1, When: Now, Note: "no address is remembered"})
		}
	}
	l.Users, l.Rooms, l.Peers = most(lost, func(p Peer) int { return p.Users }), most(lost, func(p Peer) int { return p.Rooms }), len(lost)
	for _, g := range c.Gateways {
		l.Users += g.Users
		l.Targets = append(l.Targets, Target{Name: g.Host, Users: g.Users, When: Now, Note: "push gateway"})
	}
	if len(c.Peers) > 0 {
		l.Goes = fmt.Sprintf("%d of the %s that share rooms with this one are found by the address at which they last answered, however long it takes",
			len(c.Peers)-len(lost), count(len(c.Peers), "server"))
	}
	l.Whom = "who wants to reach a server for the first time"
	if !c.Federation {
		l.Stops, l.Goes, l.Whom = "phones are not woken, and links have no preview", "", ""
		l.Used = len(c.Gateways) > 0 || c.Previews
	}
	c.add(l)
}

func most(all []Peer, of func(Peer) int) (n int) {
	for _, p := range all {
		n = max(n, of(p))
	}
	return n
}

// authorities is what stands for certificates: of other servers, and of this one.
func (c *computation) authorities() {
	l := Line{
		Name: "authorities", What: "certificate authorities, for other servers' certificates", Kind: Authorities, Used: c.Federation, When: Never,
		Stops: "a server whose certificate has ended is not spoken with",
		Goes:  "servers that publish their certificate's hash with their signing key, as Freehold does, are known by that key and need no authority",
	}
	unknown := 0
	for _, p := range c.Peers {
		if p.Pinned || p.Met.IsZero() {
			continue
		}
		t := Target{Name: string(p.Server), Users: p.Users, Rooms: p.Rooms, Peers: 1, When: Unknown, Note: "not seen since this program notes when certificates end"}
		if !p.Certificate.IsZero() {
			t.When, t.Left = c.at(p.Certificate)
			t.Note = "its certificate ends on " + p.Certificate.UTC().Format(time.DateOnly)
		} else {
			unknown++
		}
		l.Targets = append(l.Targets, t)
	}
	slices.SortStableFunc(l.Targets, func(a, b Target) int { return cmp.Compare(a.order(), b.order()) })
	l.Peers = len(l.Targets)
	for _, t := range l.Targets {
		l.Users, l.Rooms = max(l.Users, t.Users), max(l.Rooms, t.Rooms)
	}
	if len(l.Targets) > 0 {
		l.When, l.Left = l.Targets[0].When, l.Targets[0].Left
	}
	l.Whom = fmt.Sprintf("%d of %s", l.Peers, count(len(c.Peers), "server"))
	if l.Peers == 0 {
		l.Whom = "nobody: no server that shares rooms with this one rests on an authority"
	}
	c.add(l)

	own := Line{
		Name: "own_certificate", What: "an authority for this server's own certificate (tls_cert)", Kind: Authorities, Used: c.Federation && c.Certificate.Listens && !c.Certificate.Own,
		Stops: "other servers that are not Freehold, or never met this one, refuse its certificate once it has ended",
		Goes:  "servers that know this one's signing key go on by that", Users: c.SharedUsers, Rooms: c.SharedRooms,
	}
	own.When, own.Left = c.at(c.Certificate.Until)
	for _, p := range c.Peers {
		if !p.Pinned {
			own.Peers++
		}
	}
	own.Whom = count(own.Peers, "other server")
	if c.Certificate.Own {
		own.Goes = "this server made its certificate itself, and makes the next"
	}
	c.add(own)

	c.add(Line{
		Name: "proxy", What: "the proxy, name and certificate at " + cmp.Or(c.PublicURL, "public_url"), Kind: Authorities, Used: c.PublicURL != "", When: Unknown,
		Stops: "clients do not reach this server by that address once its name is not found or its certificate has ended: both are the proxy's, and not seen from here",
		Goes:  "the listener for clients goes on", Whom: count(c.Accounts, "user"), Users: c.Accounts,
	})
}

// order sorts targets: what ends first.
func (t Target) order() time.Duration {
	switch t.When {
	case Now:
		return 0
	case Later:
		return t.Left
	case Unknown, Never:
	}
	return 1 << 62
}

// at is when something stops that ends at a time.
func (c *computation) at(end time.Time) (When, time.Duration) {
	if left := end.Sub(c.now); left > 0 {
		return Later, left
	}
	return Now, 0
}

// keys is what others sign with.
func (c *computation) keys() {
	l := Line{
		Name: "keys", What: "other servers' signing keys", Kind: Keys, Used: c.Federation, When: Never,
		Stops: "events of servers whose keys were never had cannot be checked",
		Goes:  "keys that were had once are used past their time, marked as not fetched anew; nobody is asked but their owner, and who hands events on",
	}
	var kept, stale int
	for _, p := range c.Peers {
		switch {
		case !p.Keys:
			l.When = Now
			l.Users, l.Rooms, l.Peers = max(l.Users, p.Users), max(l.Rooms, p.Rooms), l.Peers+1
			l.Targets = append(l.Targets, Target{Name: string(p.Server), Users: p.Users, Rooms: p.Rooms, Peers: 1, When: Now, Note: "its keys were never had"})
		case p.KeysUntil.Before(c.now):
			stale++
			kept++
		default:
			kept++
		}
	}
	l.Whom = fmt.Sprintf("%s without keys; the keys of %d are kept, of which %d are used past their time now", count(l.Peers, "server"), kept, stale)
	if l.Peers == 0 {
		l.Whom = fmt.Sprintf("nobody: the keys of all %s are kept, of which %d are used past their time now", count(kept, "server"), stale)
	}
	if len(c.Peers) == 0 {
		l.Whom = "nobody yet"
	}
	c.add(l)
}

// time is the clock.
func (c *computation) time() {
	l := Line{
		Name: "time", What: "a source of time: this program asks none, it takes the clock of its machine", Kind: Clock, Used: true, When: Never,
		Stops: "a clock that is a day wrong makes other servers' certificates and keys look out of date; messages carry the wrong time",
		Goes:  "everything here: tokens, sessions and jobs go by this clock alone", Whom: "nobody, while the clock of the machine runs",
	}
	if d := c.Drift; d != nil {
		l.Goes += fmt.Sprintf("; on %s, with nobody setting it, it ran by %d millionths wrong", d.Measured.UTC().Format(time.DateOnly), d.PPM)
		if ppm := max(d.PPM, -d.PPM); ppm > 1_000_000/(100*365) { // else it takes more than a hundred years
			l.When, l.Left = Later, aDay*time.Duration(1_000_000/ppm)
		}
	}
	c.add(l)
}

// push is what wakes phones.
func (c *computation) push() {
	https := Line{Name: "push", What: "push gateways that users' apps name", Kind: Push, When: Now, Goes: "open apps hear at once, as ever"}
	inside := Line{Name: "push_inside", What: "push gateways in one's own network", Kind: Push, When: Now, Goes: https.Goes}
	for _, g := range c.Gateways {
		l := &https
		if g.Inside {
			l = &inside
		}
		l.Used = true
		l.Users += g.Users
		l.Targets = append(l.Targets, Target{Name: g.Host, Users: g.Users, When: Now, Note: count(g.Pushers, "phone or browser", "phones and browsers")})
	}
	for _, l := range []Line{https, inside} {
		l.Whom = count(l.Users, "user") + " with apps that are closed"
		if !l.Used {
			l.Whom = "nobody: no app has asked for it"
		}
		c.add(l)
	}
}

// services are bridges and bots.
func (c *computation) services() {
	l := Line{
		Name: "appservice", What: "application services: bridges and bots that the operator has let in", Kind: Services, Used: len(c.Services) > 0, When: Now,
		Goes: "they are told everything when they are back",
	}
	for _, s := range c.Services {
		t := Target{Name: s.ID + " at " + s.Host, Users: s.Users, When: Now}
		if s.Inside {
			t.Note = "inside: it goes on in a cut of the outside, but for the network that it bridges to"
		}
		l.Users += s.Users
		l.Targets = append(l.Targets, t)
	}
	l.Whom = count(l.Users, "user") + " of theirs, and who talks with them"
	if !l.Used {
		l.Whom = "nobody: there are none"
	}
	c.add(l)
}

// media is what is fetched from elsewhere when somebody looks at it.
func (c *computation) media() {
	c.add(Line{
		Name: "remote_media", What: "files of other servers' users, which those servers keep", Kind: Media, Used: c.Federation && len(c.Peers) > 0, When: Now,
		Stops: "what nobody here has looked at before is not shown", Goes: "what somebody has is kept here for 90 days, and files of people here are here",
		Whom: count(c.SharedUsers, "user"), Users: c.SharedUsers, Rooms: c.SharedRooms, Peers: len(c.Peers),
	})
	c.add(Line{Name: "files", Kind: Media, Used: c.Federation && len(c.Peers) > 0, When: Now, Whom: "who looks at such a file for the first time"})
	c.add(Line{
		Name: "preview", What: "pages that users link to", Kind: Previews, Used: c.Previews, When: Now,
		Stops: "links are shown without title and picture", Whom: count(c.Accounts, "user"), Users: c.Accounts,
	})
}

// calls are what helps voice and video.
func (c *computation) calls() {
	for _, one := range []struct {
		name, what, stops, goes string
		at                      []string
	}{
		{"turn", "TURN servers (turn_uris)", "people whose networks do not let them reach each other directly cannot call each other", "calls between people who reach each other directly", c.TURN},
		{"livekit", "LiveKit servers for group calls (rtc_livekit_urls)", "group calls", "calls between two who reach each other", c.LiveKit},
	} {
		l := Line{
			Name: one.name, What: one.what, Kind: Calls, Used: len(one.at) > 0, When: Now, Stops: one.stops, Goes: one.goes,
			Whom: count(c.Accounts, "user") + ": apps go there, not this program; it gives the credentials itself", Users: c.Accounts,
		}
		for _, at := range one.at {
			l.Targets = append(l.Targets, Target{Name: at, Users: c.Accounts, When: Now})
		}
		if !l.Used {
			l.Whom, l.Goes = "nobody: none is configured", ""
		}
		c.add(l)
	}
}

// none are what other programs need and this one does not.
func (c *computation) none() {
	c.add(Line{Name: "identity", What: "identity providers, mail and telephone: none, accounts and passwords are here", Kind: Identity, Stops: "nothing"})
	c.add(Line{Name: "updates", What: "updates: none, this program never looks for any and reports to nobody", Kind: Updates, Stops: "nothing"})
}

// database is where everything is kept.
func (c *computation) database() {
	c.add(Line{
		Name: "database", What: "PostgreSQL at " + cmp.Or(c.Database, "database_url"), Kind: Database, Used: c.Database != "", When: Now,
		Stops: "everything", Whom: count(c.Accounts, "user") + ": all", Users: c.Accounts,
	})
}

// count says how many there are, in words.
func count(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
