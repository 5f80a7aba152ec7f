package pmap

import (
	"container/list"
	"fmt"
	"sync"
	"time"
)

// nodeCost is what a cached node takes beside its body: the list element, the map entry and their slack.
const nodeCost = 192

// nodeAge is how long a node is kept that nobody uses: those of states that were replaced are hardly ever used again.
const nodeAge = 2 * time.Minute

// Cache keeps the nodes that were used last, bounded in bytes and in time. It may be used by many goroutines, and by loaders
// of any transaction: a node is what its address says, wherever it was read.
type Cache struct {
	limit int
	now   func() time.Time

	mu     sync.Mutex // guards what follows; never held while a node is loaded
	nodes  map[Root]*list.Element
	recent list.List // of *cached, the one used last in front
	bytes  int
	latest time.Time // when the last node came
	hits   int64
	misses int64
}

type cached struct {
	at   Root
	body []byte
	used time.Time // as of the last node that came before
}

// NewCache makes a cache of at most so many bytes.
func NewCache(bytes int, now func() time.Time) *Cache {
	return &Cache{limit: bytes, now: now, nodes: make(map[Root]*list.Element)}
}

// Loader reads nodes from the cache, and those it does not have with load. What load reads is compared with its address,
// so that a damaged database is an error and not a wrong state.
func (c *Cache) Loader(load Loader) Loader {
	return func(at Root) ([]byte, error) {
		if body, ok := c.get(at); ok {
			return body, nil
		}
		body, err := load(at)
		if err != nil {
			return nil, err
		}
		if got := address(body); got != at {
			return nil, fmt.Errorf("%w: its bytes are those of %x", ErrDamaged, got)
		}
		c.put(at, body)
		return body, nil
	}
}

// Add puts new nodes into the cache once they are stored, as the next change will need them.
func (c *Cache) Add(nodes []Node) {
	for _, n := range nodes {
		c.put(n.Address, n.Body)
	}
}

// AddRead puts nodes into the cache that were read for later, where load of a Loader would read them one by one.
func (c *Cache) AddRead(nodes []Node) error {
	for _, n := range nodes {
		if got := address(n.Body); got != n.Address {
			return fmt.Errorf("%w: its bytes are those of %x", ErrDamaged, got)
		}
	}
	c.Add(nodes)
	return nil
}

// Has says whether a node need not be read.
func (c *Cache) Has(at Root) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[at] != nil
}

// CacheStats are totals and the present size.
type CacheStats struct {
	Hits, Misses int64
	Nodes, Bytes int
}

// Stats reads them.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Hits: c.hits, Misses: c.misses, Nodes: len(c.nodes), Bytes: c.bytes}
}

func (c *Cache) get(at Root) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.nodes[at]
	if !ok {
		c.misses++
		return nil, false
	}
	c.hits++
	return c.use(e).body, true
}

func (c *Cache) use(e *list.Element) *cached {
	c.recent.MoveToFront(e)
	n := e.Value.(*cached)
	n.used = c.latest
	return n
}

func (c *Cache) put(at Root, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = c.now()
	if e, ok := c.nodes[at]; ok {
		c.use(e)
		return
	}
	c.nodes[at] = c.recent.PushFront(&cached{at, body, c.latest})
	c.bytes += len(body) + nodeCost
	for last := c.recent.Back(); last != nil; last = c.recent.Back() {
		n := last.Value.(*cached)
		if c.bytes <= c.limit && c.latest.Sub(n.used) < nodeAge {
			break
		}
		c.recent.Remove(last)
		delete(c.nodes, n.at)
		c.bytes -= len(n.body) + nodeCost
	}
}
