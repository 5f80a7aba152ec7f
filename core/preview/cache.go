package preview

import (
	"container/list"
	"fmt"
	"sync"
	"time"
)

// entry is what came, or will come, of one address.
type entry struct {
	key  string
	done chan struct{} // closed when card and err are there
	card Card
	err  error

	until time.Time // when it is looked at anew; zero while it is not done
	made  time.Time
	size  int
	at    *list.Element
}

// cache remembers entries up to a sum of bytes; the one that was asked for longest ago makes way. Entries that are being
// made count too, so it also bounds who waits for what.
type cache struct {
	mu    sync.Mutex // guards all that follows, and the fields of entries but those that done publishes
	max   int
	size  int
	byKey map[string]*entry // bounded by max, as order is
	order *list.List        // bounded; of *entry, the last asked for in front
}

func (c *cache) init(bytes int) { c.max, c.byKey, c.order = bytes, map[string]*entry{}, list.New() }

// overhead is about what an entry costs beside its texts.
const overhead = 400

// entry gives the entry of a key. mine says that it is new, and that the caller has to settle it.
func (c *cache) entry(key string, now time.Time) (e *entry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		// A clock that has gone back must not keep an entry for years.
		if e.until.IsZero() || now.Before(e.until) && !now.Before(e.made) {
			c.order.MoveToFront(e.at)
			return e, false
		}
		c.drop(e)
	}
	e = &entry{key: key, done: make(chan struct{}), made: now, size: overhead + len(key)}
	e.at = c.order.PushFront(e)
	c.byKey[key] = e
	c.size += e.size
	c.trim()
	return e, true
}

// settle says what came of an entry.
func (c *cache) settle(e *entry, card Card, err error, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.card, e.err, e.until = card, err, until
	close(e.done)
	if c.byKey[e.key] != e {
		return // it had to make way meanwhile; those who wait have it all the same
	}
	for k, v := range card {
		n := len(k) + len(fmt.Sprint(v)) + 48
		e.size += n
		c.size += n
	}
	c.trim()
}

func (c *cache) trim() {
	for c.size > c.max && c.order.Len() > 1 {
		c.drop(c.order.Back().Value.(*entry))
	}
}

func (c *cache) drop(e *entry) {
	delete(c.byKey, e.key)
	c.order.Remove(e.at)
	c.size -= e.size
}
