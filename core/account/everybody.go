package account

import (
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Everybody lists the accounts of this server, the closed ones included.
func Everybody(tx *sqldb.Tx) ([]id.User, error) {
	return sqldb.Column[id.User](tx, `SELECT user_id FROM account ORDER BY user_id`)
}
