package room

import (
	"encoding/json"
	"net/netip"
	"strings"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

var keyACL = authrule.StateKey{Type: "m.room.server_acl"}

// Denied says whether the room's m.room.server_acl, as it is now, keeps another server out of it. This server is never
// denied (https://spec.matrix.org/v1.19/client-server-api/#server-access-control-lists-acls-for-rooms).
func (r *Rooms) Denied(tx *sqldb.Tx, room NID, server id.Server) (bool, error) {
	root, err := r.RootNow(tx, room)
	if err != nil {
		return false, err
	}
	return r.DeniedIn(tx, root, server)
}

// DeniedIn is Denied by the state with that root.
func (r *Rooms) DeniedIn(tx *sqldb.Tx, root pmap.Root, server id.Server) (bool, error) {
	if server == r.Server {
		return false, nil
	}
	nid, err := r.stateNID(tx, root, keyACL)
	if err != nil || nid == 0 {
		return false, err
	}
	s, err := r.Load(tx, nid)
	if err != nil {
		return false, err
	}
	return r.acls.of(s).denies(server), nil
}

// acl is what one m.room.server_acl says.
type acl struct {
	event       *Stored  // which it was read from: another one once that was redacted
	allow, deny []string // patterns in lower case; bounded by the size of an event
	noLiterals  bool     // no IP addresses

	mu       sync.Mutex         // guards verdicts
	verdicts map[id.Server]bool // of late; bounded by maxVerdicts
}

// acls remembers those that were parsed.
type acls struct {
	mu sync.Mutex   // guards m
	m  map[NID]*acl // bounded by maxACLs
}

const (
	// limit: access lists of rooms, in memory | %d of at most 400 KiB | all are forgotten
	maxACLs = 200
	// limit: servers that one access list was asked about, in memory | %d | all are forgotten
	maxVerdicts = 1000
)

func (c *acls) of(s *Stored) *acl {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.m[s.NID]
	if a != nil && a.event == s {
		return a
	}
	if c.m == nil || len(c.m) >= maxACLs {
		c.m = map[NID]*acl{}
	}
	a = parseACL(s.Event.Content())
	a.event = s
	c.m[s.NID] = a
	return a
}

// parseACL reads the content of an m.room.server_acl. What is not of the form it should have counts as not there, so that
// a list nobody can read lets nobody in.
func parseACL(content []byte) *acl {
	return &acl{
		allow:      patternsIn(content, "allow"),
		deny:       patternsIn(content, "deny"),
		noLiterals: string(canon.Get(content, "allow_ip_literals")) == "false",
	}
}

func patternsIn(content []byte, key string) []string {
	var entries []any
	if json.Unmarshal(canon.Get(content, key), &entries) != nil {
		return nil
	}
	var patterns []string
	for _, e := range entries {
		if s, ok := e.(string); ok && s != "" {
			patterns = append(patterns, strings.ToLower(s))
		}
	}
	return patterns
}

func (a *acl) denies(server id.Server) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	denied, known := a.verdicts[server]
	if known {
		return denied
	}
	if a.verdicts == nil || len(a.verdicts) >= maxVerdicts {
		a.verdicts = map[id.Server]bool{}
	}
	denied = a.judge(strings.ToLower(server.Host()))
	a.verdicts[server] = denied
	return denied
}

// judge takes the steps in the order of the specification.
func (a *acl) judge(host string) (denied bool) {
	if a.noLiterals {
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
			return true
		}
	}
	for _, p := range a.deny {
		if globbed(p, host) {
			return true
		}
	}
	for _, p := range a.allow {
		if globbed(p, host) {
			return false
		}
	}
	return true
}

// globbed says whether the pattern is the whole of s: * is any run of characters, ? any one (Appendices, "Glob-style
// matching"). Only the last star is ever tried again, so it costs at most one length times the other.
func globbed(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last star, and where what it stands for ends as tried now
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
