package room

// Cached is how many events are kept in memory beside the ends of rooms.
func (r *Rooms) Cached() int {
	r.events.mu.Lock()
	defer r.events.mu.Unlock()
	return len(r.events.asked.m) + len(r.events.before.m)
}

// Waiting is for how many transaction ids a write is remembered.
func (r *Rooms) Waiting() int {
	r.recent.mu.Lock()
	defer r.recent.mu.Unlock()
	n := 0
	for _, s := range r.recent.m {
		if s.write != nil {
			n++
		}
	}
	return n
}
