package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
)

// Run tells other servers what changes, and asks them for the device lists that are stale, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	if k.Queue == nil {
		<-ctx.Done()
		return nil
	}
	sleeper := k.Bus.Sleep(Log, room.Log)
	defer sleeper.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.refresh(ctx)
	}()
	defer func() { <-done }()
	for {
		for {
			more, err := k.follow(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
		select {
		case <-sleeper.C():
		case <-ctx.Done():
			return nil
		}
	}
}

// follow reads a batch of changes and memberships, and says whether there are more.
func (k *Keys) follow(ctx context.Context) (more bool, err error) {
	var all []altered
	var moves []room.Move
	var end sqldb.Pos
	look := func(tx *sqldb.Tx) error {
		after := k.upto
		if after == 0 {
			if err := tx.Row(sqlWhere).Scan(&after); err != nil {
				return err
			}
		}
		high, err := tx.High()
		if err != nil || high <= after {
			end, more = after, false
			return err
		}
		if moves, end, err = k.Rooms.Moves(tx, after, high, tellBatch); err != nil {
			return err
		}
		all, end, err = k.altered(tx, after, end)
		more = end < high
		moves = slices.DeleteFunc(moves, func(m room.Move) bool { return m.Pos > end })
		if err == nil {
			moves, err = k.outward(tx, moves)
		}
		return err
	}
	err = k.DB.Peek(ctx, look) // most of what is committed is neither, which memory knows
	if errors.Is(err, sqldb.ErrPeek) {
		err = k.DB.Read(ctx, look)
	}
	if err != nil {
		return false, fmt.Errorf("read what other servers are to be told of devices: %w", err)
	}
	if len(all)+len(moves) > 0 || more { // with more, so that the next start need not look at these again
		if err := k.DB.Write(ctx, func(tx *sqldb.Tx) error { return k.tell(tx, all, moves, end) }); err != nil {
			return false, fmt.Errorf("tell other servers of devices: %w", err)
		}
	}
	k.upto = end
	return more, nil
}

// outward leaves out the joins to rooms with nobody of another server: who comes there later asks for the devices.
func (k *Keys) outward(tx *sqldb.Tx, moves []room.Move) (some []room.Move, err error) {
	for _, m := range moves {
		if m.Joined && m.User.Server() == k.Server {
			servers, whole, err := k.Rooms.ServersOf(tx, m.Room)
			if err != nil {
				return nil, err
			}
			if whole && len(servers) == 0 {
				continue
			}
		}
		some = append(some, m)
	}
	return some, nil
}

func (k *Keys) altered(tx *sqldb.Tx, after, upto sqldb.Pos) (all []altered, end sqldb.Pos, err error) {
	if !k.changed.After(after) {
		return nil, upto, nil
	}
	scan := func(row sqldb.Scanner) (c altered, err error) {
		err = row.Scan(&c.pos, &c.user, (*string)(&c.device), (*string)(&c.seenBy))
		return c, err
	}
	all, err = sqldb.All(tx, scan, sqlAltered, after, upto, tellBatch+1)
	if err != nil || len(all) <= tellBatch {
		return all, upto, err
	}
	if end = all[tellBatch].pos - 1; all[0].pos > end { // so many in one write
		end = all[0].pos
		all, err = sqldb.All(tx, scan, sqlAltered, end-1, end, 1<<30)
		return all, end, err
	}
	return slices.DeleteFunc(all, func(c altered) bool { return c.pos > end }), end, nil
}
