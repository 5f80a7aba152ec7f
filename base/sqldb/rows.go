package sqldb

import "database/sql"

// Scanner is one row: a Row, or where sql.Rows stands.
type Scanner interface {
	// Scan copies the columns into what dst points to.
	Scan(dst ...any) error
}

// Row is what Tx.Row has found.
type Row struct {
	row *sql.Row
	err error // why nothing was asked
}

// Scan reads the row like sql.Row.Scan; it answers sql.ErrNoRows when there is none.
func (r *Row) Scan(dst ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(dst...)
}

// All reads every row of a query with scan. When there are none the list is empty, not nil.
func All[T any](tx *Tx, scan func(Scanner) (T, error), q string, args ...any) ([]T, error) {
	rows, err := tx.Query(q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// Column is All for rows of one column.
func Column[T any](tx *Tx, q string, args ...any) ([]T, error) {
	scan := func(row Scanner) (v T, err error) {
		err = row.Scan(&v)
		return v, err
	}
	return All(tx, scan, q, args...)
}
