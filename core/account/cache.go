package account

import (
	"sync"

	"freehold.example/matrix/id"
)

// sessionCache remembers which token is whose. It holds only sessions that are in the database; the generation keeps a
// session that was read before a removal from being put in after it. It is bounded by limit.
type sessionCache struct {
	limit int

	mu         sync.RWMutex // guards what follows
	generation uint64
	byToken    map[tokenHash]*Session
	byUser     map[id.User]map[tokenHash]struct{}
}

func newSessionCache(limit int) *sessionCache {
	return &sessionCache{limit: limit, byToken: map[tokenHash]*Session{}, byUser: map[id.User]map[tokenHash]struct{}{}}
}

// find gives the cached session, or nil and the generation to put it in with after it has been read.
func (c *sessionCache) find(t tokenHash) (*Session, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byToken[t], c.generation
}

// put adds a session that was read when the cache was of the given generation; it does nothing when anything has been
// thrown out since. When the cache is full any one entry makes room.
func (c *sessionCache) put(s *Session, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	if len(c.byToken) >= c.limit {
		for t, old := range c.byToken {
			c.remove(t, old.User)
			break
		}
	}
	c.byToken[s.token] = s
	if c.byUser[s.User] == nil {
		c.byUser[s.User] = map[tokenHash]struct{}{}
	}
	c.byUser[s.User][s.token] = struct{}{}
}

// drop throws out every session of the user. It is called after the write that changed them.
func (c *sessionCache) drop(user id.User) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for t := range c.byUser[user] {
		delete(c.byToken, t)
	}
	delete(c.byUser, user)
}

func (c *sessionCache) remove(t tokenHash, user id.User) {
	delete(c.byToken, t)
	delete(c.byUser[user], t)
	if len(c.byUser[user]) == 0 {
		delete(c.byUser, user)
	}
}
