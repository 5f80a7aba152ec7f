package stateres

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// powerOrder is the reverse topological power ordering of the set: the lexicographically smallest order in which every
// event comes after the events of its auth chain. levelOf is an event's sender's level by the event's own auth events.
func (g *graph) powerOrder(s set, levelOf func(n int32) authrule.Level) []int32 {
	// Kahn's algorithm over the events of s and those between them: an event that is not in s is passed as soon as all
	// it waits for is out, and so only hands on the order.
	waits := make([]int32, len(g.nodes)) // how many auth events are still to come
	needs := make(set, len(g.nodes))     // has an event of s in its auth chain, or is one
	follow := make([][]int32, len(g.nodes))
	inside := g.chains(s)
	for n := range g.nodes {
		needs[n] = s[n]
		if !inside[n] {
			continue
		}
		for _, a := range g.nodes[n].auth {
			if needs[a] {
				needs[n] = true
				waits[n]++
				follow[a] = append(follow[a], int32(n))
			}
		}
	}
	var (
		ready  queue
		passed []int32
		sorted []int32
	)
	free := func(n int32) {
		if s[n] {
			heap.Push(&ready, candidate{n: n, level: levelOf(n), e: g.nodes[n].e})
		} else {
			passed = append(passed, n)
		}
	}
	for n := range g.nodes {
		if inside[n] && needs[n] && waits[n] == 0 {
			free(int32(n))
		}
	}
	for len(passed) > 0 || len(ready) > 0 {
		var n int32
		if last := len(passed) - 1; last >= 0 {
			n, passed = passed[last], passed[:last]
		} else {
			n = heap.Pop(&ready).(candidate).n
			sorted = append(sorted, n)
		}
		for _, f := range follow[n] {
			if waits[f]--; waits[f] == 0 {
				free(f)
			}
		}
	}
	return sorted
}

// candidate is an event that may come next.
type candidate struct {
	n     int32
	level authrule.Level
	e     *event.Event
}

// queue is a heap of candidates, the smallest first.
type queue []candidate

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(candidate)) }

func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}

// Less puts the greater level first, then the earlier time, then the smaller id.
func (q queue) Less(i, j int) bool {
	x, y := q[i], q[j]
	return cmp.Or(
		cmp.Compare(y.level, x.level),
		cmp.Compare(x.e.Timestamp(), y.e.Timestamp()),
		cmp.Compare(x.e.ID(), y.e.ID()),
	) < 0
}

// offMainline is the mainline position of an event whose power levels do not lead to the mainline.
const offMainline = math.MaxInt32

// mainlineOrder sorts the events by the mainline ordering based on the power levels event, if there is one.
func (g *graph) mainlineOrder(events []int32, power int32, hasPower bool) {
	position := make(map[int32]int32) // of power levels events; first those on the mainline
	for i := int32(0); hasPower; i++ {
		position[power] = i
		power, hasPower = g.powerLevels(power)
	}
	type place struct {
		n, position int32
		ts          int64
		id          id.Event
	}
	places := make([]place, len(events))
	var walked []int32
	for i, n := range events {
		// Down the power levels from the event's own on, which is not that event itself, to one whose position is known.
		at, walking := int32(offMainline), n
		walked = walked[:0]
		for {
			next, ok := g.powerLevels(walking)
			if !ok {
				break
			}
			if p, known := position[next]; known {
				at = p
				break
			}
			walked = append(walked, next)
			walking = next
		}
		for _, w := range walked {
			position[w] = at
		}
		places[i] = place{n: n, position: at, ts: g.nodes[n].e.Timestamp(), id: g.nodes[n].e.ID()}
	}
	slices.SortFunc(places, func(x, y place) int {
		return cmp.Or(cmp.Compare(y.position, x.position), cmp.Compare(x.ts, y.ts), cmp.Compare(x.id, y.id))
	})
	for i, p := range places {
		events[i] = p.n
	}
}
