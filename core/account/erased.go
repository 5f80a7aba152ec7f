package account

import (
	"context"
	"fmt"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// limit: who asked to be erased, in memory | some 300 bytes for each such account on disk | as many as have ever asked
//
// erasures are who asked to be erased, and at which position. They are in memory, some 100 bytes each, since every event
// that is shown asks for them: as many as have ever asked on this server.
type erasures struct {
	mu sync.RWMutex // guards at
	at map[id.User]sqldb.Pos
}

func (e *erasures) add(user id.User, at sqldb.Pos) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at == nil {
		e.at = map[id.User]sqldb.Pos{}
	}
	e.at[user] = at
}

func (e *erasures) remove(user id.User) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.at, user)
}

// Erased says at which position in the stream the user asked to be erased, if she did.
func (a *Accounts) Erased(user id.User) (at sqldb.Pos, ok bool) {
	a.erased.mu.RLock()
	defer a.erased.mu.RUnlock()
	at, ok = a.erased.at[user]
	return at, ok
}

// ReadErased reads who is to be erased. It is called once, before anything is shown to anybody.
func (a *Accounts) ReadErased(ctx context.Context) error {
	type erasure struct {
		user id.User
		at   sqldb.Pos
	}
	var all []erasure
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		all, err = sqldb.All(tx, func(row sqldb.Scanner) (e erasure, err error) {
			err = row.Scan(&e.user, &e.at)
			return e, err
		}, `SELECT user_id, erased FROM account WHERE erased IS NOT NULL`)
		return err
	})
	if err != nil {
		return fmt.Errorf("read who is erased: %w", err)
	}
	for _, e := range all {
		a.erased.add(e.user, e.at)
	}
	return nil
}
