package sqldb

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Table is a table as both engines know it: named columns of four types. It is for carrying whole databases, from one
// engine to the other too; everything else names its tables in its SQL.
type Table struct {
	Name    string  `json:"name"`
	Columns []Field `json:"columns"`
}

// Field is a column of a table.
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"` // BIGINT, TEXT, BYTEA or BOOLEAN
}

// own are the tables of this package: they describe the database, and are carried as its description.
var own = []string{"epoch", "position", "schema_version", unfinished}

var plainName = regexp.MustCompile(`^[a-z_][a-z_0-9]{0,62}$`)

// Tables lists the tables that migrations have made, without what one engine alone has (virtual tables, generated
// columns): that is derived from the rest.
func (tx *Tx) Tables() ([]Table, error) {
	names, err := Column[string](tx, tx.conn.dialect.tables)
	if err != nil {
		return nil, err
	}
	tables := []Table{}
	for _, name := range names {
		if slices.Contains(own, name) {
			continue
		}
		t := Table{Name: name}
		scan := func(row Scanner) (f Field, err error) {
			err = row.Scan(&f.Name, &f.Type)
			return f, err
		}
		if t.Columns, err = All(tx, scan, tx.conn.dialect.columns, name); err != nil {
			return nil, err
		}
		for i := range t.Columns {
			c := &t.Columns[i]
			neutral, ok := neutralTypes[strings.ToUpper(c.Type)]
			if !ok || !plainName.MatchString(name) || !plainName.MatchString(c.Name) {
				return nil, fmt.Errorf("bug: the column %s of the table %s is %s, which the other database does not have", c.Name, name, c.Type)
			}
			c.Type = neutral
		}
		tables = append(tables, t)
	}
	return tables, nil
}

var neutralTypes = map[string]string{
	"BIGINT": "BIGINT", "INTEGER": "BIGINT", "TEXT": "TEXT", "BYTEA": "BYTEA", "BLOB": "BYTEA", "BOOLEAN": "BOOLEAN",
}

// Dump calls fn with each row of a table, in the order in which they lie on the disk, until fn gives an error. A value is
// nil, int64, bool, string or []byte; it is fn's to keep, the slice is not.
func (tx *Tx) Dump(t Table, fn func(row []any) error) error {
	rows, err := tx.Query(`SELECT ` + columnList(t) + ` FROM ` + quoted(t.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	row, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if tx.caller != nil && tx.caller.Err() != nil {
			return tx.caller.Err()
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, c := range t.Columns {
			switch v := row[i].(type) {
			case []byte:
				if c.Type == "TEXT" {
					row[i] = string(v)
				} else if v == nil { // an empty one, on SQLite
					row[i] = []byte{}
				}
			case int64:
				if c.Type == "BOOLEAN" {
					row[i] = v != 0
				}
			}
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Clear removes every row of a table.
func (tx *Tx) Clear(t Table) error {
	_, err := tx.Exec(`DELETE FROM ` + quoted(t.Name))
	return err
}

// rowsPerInsert is few enough for what the engines allow of parameters in a statement (32,766 for SQLite).
const rowsPerInsert = 50

// Load adds rows as Dump gives them. The table must be one that Tables has listed. PostgreSQL has no text with a zero byte
// in it, which only somebody who tries things out makes: there it becomes U+FFFD, rather than that nothing can be loaded.
func (tx *Tx) Load(t Table, rows [][]any) error {
	for chunk := range slices.Chunk(rows, rowsPerInsert) {
		args := make([]any, 0, len(chunk)*len(t.Columns))
		for _, row := range chunk {
			if len(row) != len(t.Columns) {
				return fmt.Errorf("a row of %s has %d columns, not %d", t.Name, len(row), len(t.Columns))
			}
			for _, v := range row {
				if s, ok := v.(string); ok && tx.conn.dialect.noZero && strings.IndexByte(s, 0) >= 0 {
					v = strings.ReplaceAll(s, "\x00", "\ufffd")
				}
				args = append(args, v)
			}
		}
		n, err := tx.Exec(insertOf(t, len(chunk)), args...)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		if n != int64(len(chunk)) {
			return fmt.Errorf("table %s: %d of %d rows were added", t.Name, n, len(chunk))
		}
	}
	return nil
}

func insertOf(t Table, rows int) string {
	var q strings.Builder
	q.WriteString(`INSERT INTO ` + quoted(t.Name) + ` (` + columnList(t) + `) VALUES `)
	n := 0
	for i := range rows {
		for j := range t.Columns {
			switch {
			case j > 0:
				q.WriteString(", ")
			case i > 0:
				q.WriteString("), (")
			default:
				q.WriteString("(")
			}
			n++
			fmt.Fprintf(&q, "$%d", n)
		}
	}
	q.WriteString(")")
	return q.String()
}

func columnList(t Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}
