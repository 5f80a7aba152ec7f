package room

import (
	"errors"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
)

// Prefetch is how many rooms at a time are worth a Rooms.Prefetch.
const Prefetch = 50

const (
	fewEvents  = 200 // of a state that is read ahead
	fewMembers = 20  // of a room whose members are read ahead

	sqlNodes  = `SELECT address, body FROM state_node WHERE address IN ({blobs $1})`
	sqlCounts = `SELECT room, count(*) FILTER (WHERE membership = 'join'), count(*) FILTER (WHERE membership = 'invite')
		FROM membership WHERE room IN ({ints $1}) GROUP BY room`
	sqlFirsts = `SELECT room, user_id, event FROM membership WHERE room IN ({ints $1}) AND membership IN ('join', 'invite')
		ORDER BY room, event`
)

// Prefetch reads into memory what a client is told of small rooms that it does not know, for many rooms with a few queries
// in place of some for each: it is for a first sync. lazy: without the members. Rooms whose state is long are left to be
// read one by one.
func (r *Rooms) Prefetch(tx *sqldb.Tx, standings []*Standing, lazy bool) error {
	if err := r.prefetchNodes(tx, standings); err != nil {
		return err
	}
	var nids []NID
	for _, s := range standings {
		nids = append(nids, s.Event)
		state, err := r.shortState(tx, s.State, lazy)
		if err != nil {
			return err
		}
		nids = append(nids, state...)
	}
	if _, err := r.LoadAll(tx, nids); err != nil {
		return err
	}
	return r.prefetchCounts(tx, standings)
}

// prefetchNodes reads the roots of the rooms' states.
func (r *Rooms) prefetchNodes(tx *sqldb.Tx, standings []*Standing) error {
	var missing [][]byte
	for _, s := range standings {
		if !r.nodes.Has(s.State) {
			missing = append(missing, s.State[:])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	nodes, err := sqldb.All(tx, func(row sqldb.Scanner) (n pmap.Node, err error) {
		var at []byte
		err = row.Scan(&at, &n.Body)
		copy(n.Address[:], at)
		return n, err
	}, sqlNodes, sqldb.Blobs(missing))
	if err != nil {
		return err
	}
	return r.nodes.AddRead(nodes)
}

var errLong = errors.New("the state is long")

// shortState lists the events of a state, or of a long one nothing.
func (r *Rooms) shortState(tx *sqldb.Tx, root pmap.Root, lazy bool) ([]NID, error) {
	var keys, nids []NID
	err := pmap.Walk(r.nodesOf(tx), root, func(key, event uint64) error {
		if len(nids) == fewEvents {
			return errLong
		}
		keys, nids = append(keys, NID(key)), append(nids, NID(event))
		return nil
	})
	switch {
	case errors.Is(err, errLong):
		return nil, nil
	case err != nil || !lazy:
		return nids, err
	}
	return r.kinds.withoutMembers(tx, keys, nids)
}

// prefetchCounts counts the members of rooms that were not counted, and reads the first of those that have few.
func (r *Rooms) prefetchCounts(tx *sqldb.Tx, standings []*Standing) error {
	uncounted := map[NID]*Standing{}
	var rooms []NID
	for _, s := range standings {
		if _, known := r.census.get(s.Room); !known {
			uncounted[s.Room] = s
			rooms = append(rooms, s.Room)
		}
	}
	if len(rooms) == 0 {
		return nil
	}
	type count struct {
		room NID
		headcount
	}
	counts, err := sqldb.All(tx, func(row sqldb.Scanner) (c count, err error) {
		err = row.Scan(&c.room, &c.joined, &c.invited)
		return c, err
	}, sqlCounts, sqldb.List(rooms))
	if err != nil {
		return err
	}
	var small []NID
	for _, c := range counts {
		if c.joined+c.invited <= fewMembers {
			small = append(small, c.room)
		}
	}
	firsts := map[NID][]hero{}
	if len(small) > 0 {
		rows, err := tx.Query(sqlFirsts, sqldb.List(small))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var room NID
			var x hero
			if err := rows.Scan(&room, &x.user, &x.event); err != nil {
				return err
			}
			firsts[room] = append(firsts[room], x)
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	for _, c := range counts {
		c.root = uncounted[c.room].State
		if c.joined+c.invited <= fewMembers {
			first := firsts[c.room]
			c.first, c.haveFirst = first[:min(len(first), maxHeroes+1)], true
		}
		r.census.put(c.room, c.headcount)
	}
	return nil
}
