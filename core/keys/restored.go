package keys

import (
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Restored makes the keys of a backup usable again. It runs in the transaction that ends a restore; users are all local
// ones.
//
// One-time keys may have been given out since the backup, and given out twice they break the sessions made with them: all
// are forgotten, and devices upload new ones once their sync says that they have none. Until then the fallback keys serve;
// they count as used, so that they are replaced too. Devices may have changed in the life that was lost: everybody's list
// is announced as changed, so that clients ask for it again.
func Restored(tx *sqldb.Tx, users []id.User) error {
	for _, q := range []string{
		`DELETE FROM one_time_key`,
		`DELETE FROM one_time_count`,
		`UPDATE fallback_key SET used = TRUE`,
	} {
		if _, err := tx.Exec(q); err != nil {
			return fmt.Errorf("forget one-time keys: %w", err)
		}
	}
	for _, q := range []string{ // other servers are told of everybody again, and asked for what they may have told meanwhile
		`UPDATE followed SET stale = TRUE, next = 0`,
		`DELETE FROM device_told`,
		`UPDATE device_cursor SET pos = 0`,
	} {
		if _, err := tx.Exec(q); err != nil {
			return fmt.Errorf("begin again with the devices of other servers: %w", err)
		}
	}
	if _, err := tx.Exec(`UPDATE device_change SET pos = $1`, tx.Pos()); err != nil {
		return fmt.Errorf("announce the devices: %w", err)
	}
	for _, u := range users {
		if err := change(tx, u, "", everybody); err != nil {
			return fmt.Errorf("announce the devices of %s: %w", u, err)
		}
	}
	return nil
}
