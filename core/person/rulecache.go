package person

import (
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// ruleCache remembers push rules. What a reader has read before a change is not kept after it: changed notes the position
// of the change, and keep compares it with the reader's snapshot.
type ruleCache struct {
	mu    sync.RWMutex            // guards all below
	users map[id.User]cachedRules // bounded by maxCachedRules and maxCachedBytes
	bytes int                     // of all rules
	floor sqldb.Pos               // nobody who is not in users has changed anything after it
}

type cachedRules struct {
	rules   *pushrule.Ruleset // nil since the last change
	changed sqldb.Pos         // of the last change since the start, or 0
}

func (r cachedRules) size() int {
	if r.rules == nil {
		return 0
	}
	return r.rules.Size()
}

const (
	// limit: people whose push rules are in memory | %d | the rules of some others are read again
	maxCachedRules = 50_000
	// limit: push rules in memory | %b | those of some others are read again
	maxCachedBytes = 64 << 20
)

// find calls fn for each user with their rules, or nil.
func (c *ruleCache) find(users []id.User, fn func(i int, r *pushrule.Ruleset)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i, u := range users {
		fn(i, c.users[u].rules)
	}
}

func (c *ruleCache) keep(user id.User, rules *pushrule.Ruleset, snapshot sqldb.Pos) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.users[user]
	if snapshot < max(old.changed, c.floor) {
		return
	}
	if len(c.users) >= maxCachedRules && old.rules == nil || c.bytes+rules.Size() > maxCachedBytes {
		c.makeRoom()
	}
	c.set(user, cachedRules{rules, c.users[user].changed})
}

func (c *ruleCache) set(user id.User, r cachedRules) {
	if c.users == nil {
		c.users = map[id.User]cachedRules{}
	}
	c.bytes += r.size() - c.users[user].size()
	c.users[user] = r
}

// makeRoom forgets some users; of those who have changed their rules, at first only the rules.
func (c *ruleCache) makeRoom() {
	n := 0
	for u, r := range c.users {
		switch {
		case r.changed == 0:
			c.bytes -= r.size()
			delete(c.users, u)
		case r.rules != nil:
			c.set(u, cachedRules{changed: r.changed})
		default:
			continue
		}
		if n++; n == maxCachedRules/10 {
			return
		}
	}
	for u, r := range c.users {
		if len(c.users) < maxCachedRules {
			return
		}
		c.floor = max(c.floor, r.changed)
		c.bytes -= r.size()
		delete(c.users, u)
	}
}

func (c *ruleCache) changed(user id.User, pos sqldb.Pos) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.users[user]; !known && len(c.users) >= maxCachedRules {
		c.makeRoom()
	}
	c.set(user, cachedRules{changed: max(pos, c.users[user].changed)})
}
