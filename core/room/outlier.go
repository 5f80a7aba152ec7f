package room

import (
	"context"
	"slices"

	"freehold.example/matrix/id"
)

// AddOutliers stores events of a room that others refer to, as state or to be judged by, without a place in the timeline.
// Each is judged by its own auth events, which are here or among them; one that fails is stored as rejected. What is here
// already stays as it is. Errors: M_NOT_FOUND for a room this server does not have.
func (r *Rooms) AddOutliers(ctx context.Context, room id.Room, in []Incoming) ([]Receipt, error) {
	if err := r.internKeys(ctx, in); err != nil {
		return nil, err
	}
	var receipts []Receipt
	_, err := r.commit(ctx, room, len(in), func(ctx context.Context, h *head, first NID) (events []*planned, err error) {
		err = r.look(ctx, h, func(s *sight) error {
			events, receipts, err = r.outliers(room, in, first, s.find)
			for _, p := range events {
				s.plan(p)
			}
			return err
		})
		return events, err
	})
	return receipts, err
}

// outliers judges events by their auth events, which find gives where they are not among them, and plans them: their numbers
// begin with first, and receipts are in the order of in.
func (r *Rooms) outliers(room id.Room, in []Incoming, first NID, find func([]id.Event) ([]*Stored, error)) ([]*planned, []Receipt, error) {
	j := &outlierJudge{room: room, known: map[id.Event]*Stored{}, in: make(map[id.Event]int, len(in)), all: in, receipts: make([]Receipt, len(in))}
	var names []id.Event
	for i, x := range in {
		j.receipts[i].Event = x.Event.ID()
		if _, twice := j.in[x.Event.ID()]; twice {
			continue
		}
		j.in[x.Event.ID()] = i
		names = append(names, x.Event.ID())
	}
	for _, x := range in {
		for _, name := range authNames(x.Event) {
			if _, among := j.in[name]; !among && j.known[name] == nil {
				j.known[name] = new(Stored)
				names = append(names, name)
			}
		}
	}
	clear(j.known)
	for some := range slices.Chunk(names, 500) {
		found, err := find(some)
		if err != nil {
			return nil, nil, err
		}
		for _, x := range found {
			j.known[x.Event.ID()] = x
		}
	}
	var events []*planned
	for i := range in {
		name := in[i].Event.ID()
		if x := j.known[name]; x != nil && j.in[name] == i && j.receipts[i].Verdict == "" {
			j.receipts[i].Verdict = Known
			if x.Aside == Rejected {
				j.receipts[i].Verdict = Rejected
			}
		}
	}
	for i := range in {
		j.judge(i)
	}
	for i := range in {
		if first := j.in[in[i].Event.ID()]; first != i {
			j.receipts[i] = j.receipts[first]
			continue
		}
		if v := j.receipts[i].Verdict; v == Outlier || v == Rejected && j.known[in[i].Event.ID()] == nil {
			p := &planned{event: in[i].Event, nid: first + NID(i), aside: v}
			r.keep(p)
			events = append(events, p)
		}
	}
	return events, j.receipts, nil
}

// keep has the state key of an outlier written with it, as it may be told to be in a state after a restart.
func (r *Rooms) keep(p *planned) {
	key, is := keyOf(p.event)
	if !is {
		return
	}
	if nid, fresh, _ := r.keys.get(key); fresh {
		p.freshKey = &freshKey{key, nid, r.keys}
	}
}

// outlierJudge judges events in the order in which they authorise each other.
type outlierJudge struct {
	room     id.Room
	known    map[id.Event]*Stored // on disk
	in       map[id.Event]int
	all      []Incoming
	receipts []Receipt
	last     gathered
}

// judging marks an event whose auth events are being judged: one that comes upon it goes in a circle.
const judging Verdict = "judging"

// judge decides about the i-th event, and before that about those by which it is judged. The chain is walked without
// recursion, as another server decides how long it is.
func (j *outlierJudge) judge(i int) {
	stack := []int{i}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		receipt := &j.receipts[i]
		if receipt.Verdict != "" && receipt.Verdict != judging {
			stack = stack[:len(stack)-1]
			continue
		}
		first := receipt.Verdict == ""
		receipt.Verdict = judging
		pushed := false
		for _, name := range authNames(j.all[i].Event) {
			if n, among := j.in[name]; among && j.receipts[n].Verdict == "" && first {
				stack = append(stack, n)
				pushed = true
			}
		}
		if pushed {
			continue
		}
		stack = stack[:len(stack)-1]
		j.decide(i)
	}
}

func (j *outlierJudge) decide(i int) {
	x, receipt := &j.all[i], &j.receipts[i]
	var auth []*Stored
	for _, name := range authNames(x.Event) {
		n, among := j.in[name]
		a := j.known[name]
		if a == nil && among && (j.receipts[n].Verdict == Outlier || j.receipts[n].Verdict == Rejected) {
			a = &Stored{Event: j.all[n].Event, Aside: j.receipts[n].Verdict}
		}
		if a == nil {
			receipt.Missing = append(receipt.Missing, name)
			continue
		}
		auth = append(auth, a)
	}
	switch {
	case len(receipt.Missing) > 0:
		receipt.Verdict = Lacking
	case x.Event.Room() != j.room:
		receipt.Verdict, receipt.Cause = Rejected, errForeign
	default:
		receipt.Verdict = Outlier
		if receipt.Cause = j.last.check(x, auth); receipt.Cause != nil {
			receipt.Verdict = Rejected
		}
	}
}

// Backfilled puts events that are older than what is here into the history, where paging finds them and /sync does not. The
// state before each is told (Incoming.Before) or that of its prev_events, among which those given before it are. Errors:
// M_NOT_FOUND for a room this server does not have.
func (r *Rooms) Backfilled(ctx context.Context, room id.Room, in []Incoming) ([]Receipt, error) {
	if err := r.internKeys(ctx, in); err != nil {
		return nil, err
	}
	return r.judgeAll(ctx, room, in, backfill)
}
