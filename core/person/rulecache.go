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
	mu    sync.RWMutex // guards users
	users map[id.User]cachedRules
}

type cachedRules struct {
	rules   *pushrule.Ruleset // nil since the last change
	changed sqldb.Pos         // of the last change since the start, or 0
}

const maxCachedRules = 50_000

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
	if snapshot < old.changed {
		return
	}
	if len(c.users) >= maxCachedRules && old.rules == nil {
		c.makeRoom()
	}
	if c.users == nil {
		c.users = map[id.User]cachedRules{}
	}
	c.users[user] = cachedRules{rules, old.changed}
}

// makeRoom forgets the rules of some users, but not when they last changed them.
func (c *ruleCache) makeRoom() {
	n := 0
	for u, r := range c.users {
		switch {
		case r.rules == nil:
			continue
		case r.changed == 0:
			delete(c.users, u)
		default:
			c.users[u] = cachedRules{changed: r.changed}
		}
		if n++; n == maxCachedRules/10 {
			return
		}
	}
}

func (c *ruleCache) changed(user id.User, pos sqldb.Pos) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == nil {
		c.users = map[id.User]cachedRules{}
	}
	c.users[user] = cachedRules{changed: max(pos, c.users[user].changed)}
}
