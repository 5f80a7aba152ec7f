package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const sqlOwner = `SELECT name FROM server WHERE id = 1`

// Own takes a new database for this server's name, and refuses one that is of another name: a data directory can be new
// while the database is not, as with PostgreSQL.
func (a *Accounts) Own(ctx context.Context) error {
	name, err := a.Owner(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		err = a.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO server (id, name) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, a.ServerName)
			if err != nil {
				return err
			}
			return tx.Row(sqlOwner).Scan(&name)
		})
	}
	if err != nil {
		return fmt.Errorf("read whose database it is: %w", err)
	}
	if name != a.ServerName {
		return fmt.Errorf("server_name: the database is of %s, not of %s; a server's name cannot be changed (another database_url or "+
			"data_dir starts another server)", name, a.ServerName)
	}
	return nil
}

// Owner is the server whose database it is, or sql.ErrNoRows.
func (a *Accounts) Owner(ctx context.Context) (name id.Server, err error) {
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(sqlOwner).Scan(&name) })
	return name, err
}
