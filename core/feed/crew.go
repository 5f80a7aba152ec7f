package feed

import (
	"sync"
	"time"
)

// crew runs looks into memory, as many at once as there are processors, in the order in which they come: a message that
// wakes a whole room is told to one after the other rather than to all a little later. They are not run on the goroutines of
// the connections, as the stack that they need would stay with those while they wait for the next message.
//
// limit: looks for news in memory at once | one for each processor | the others wait their turn
type crew struct {
	mu      sync.Mutex // guards all below
	queue   []func()   // no longer than there are requests
	workers int
	idle    int // of the workers, those that wait for more: their stacks need not grow again
	limit   int
	more    chan struct{} // bounded: one for each worker that is to wait no longer
	over    chan struct{} // bounded: it is closed, never sent to
}

// patience is how long a worker waits for more.
const patience = time.Second

func newCrew(limit int) *crew {
	return &crew{limit: limit, more: make(chan struct{}, limit), over: make(chan struct{})}
}

// end has the workers wait for nothing any more.
func (c *crew) end() { close(c.over) }

// do runs fn and waits for it.
func (c *crew) do(fn func()) {
	done := make(chan struct{})
	c.mu.Lock()
	c.queue = append(c.queue, func() {
		defer close(done)
		fn()
	})
	switch {
	case c.idle > 0:
		c.idle--
		c.more <- struct{}{}
	case c.workers < c.limit:
		c.workers++
		go c.run() // ends when there was nothing to do for a while, or with end
	}
	c.mu.Unlock()
	<-done
}

func (c *crew) run() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.queue = nil
			c.idle++
			c.mu.Unlock()
			if !c.wait() {
				return
			}
			continue
		}
		fn := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.mu.Unlock()
		fn()
	}
}

// wait waits for more to do. false: there was none, and the worker is one no longer.
func (c *crew) wait() bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.more:
		return true
	case <-timer.C:
	case <-c.over:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == 0 { // it was just called
		<-c.more
		return true
	}
	c.idle--
	c.workers--
	return false
}
