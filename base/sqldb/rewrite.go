package sqldb

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// dialect is what differs between the engines.
type dialect struct {
	name       string
	beginRead  string
	beginWrite string
	trim       string            // the statement that gives back what a connection keeps of the database in memory; "" where none does
	list       map[string]string // kind of list -> the query that yields its members; %s is the parameter
	param      string            // what stands for '$' before a parameter's number
	prepare    bool              // keep prepared statements ourselves; pgx does so by SQL text
	maxBatch   int               // writes in one commit
	trips      bool              // a statement is a round trip to a server
	noZero     bool              // a TEXT cannot have a zero byte in it
	allTables  string            // the query that names every table
	tables     string            // ... every table that both engines have
	size       string            // ... its bytes on the disk
	clock      string            // ... its time, in milliseconds
	integrity  string            // ... what is wrong with its files, or "ok"; "" where none says
	columns    string            // ... the columns of the table $1, with their types, that both engines have
	retriable  func(error) bool  // the batch should be run again; false for nil
	full       func(error) bool  // there is no room on the disk; false for nil

	// aborted says, without asking the server, whether a statement has failed since the last savepoint. PostgreSQL then
	// answers COMMIT by rolling back, and reports no error. Nil where a failed statement takes only itself back.
	aborted func(*sql.Conn) bool

	// together runs statements one after the other in one round trip, until one fails: err is that one's, or its put.none. It says how
	// many rows the last has changed. Nil where there is nothing to win.
	together func(context.Context, *sql.Conn, []put) (n int64, err error)

	// lost says whether a connection was lost, after a statement has failed. Nil where there is nothing to lose.
	lost func(*sql.Conn) bool

	// detached is set where a statement that its caller's context can end costs more than most statements (SQLite: a
	// goroutine and a progress handler each, half the cost of a look-up). The context is then asked between statements.
	detached bool
}

var (
	listForm = regexp.MustCompile(`\{(\w+) \$(\d+)\}`)
	// SQLite plans by the value of a bare parameter after LIMIT, and so prepares the statement anew for every binding of it,
	// which costs several times the query. A sum is not looked into.
	limitForm = regexp.MustCompile(`\bLIMIT (\?\d+)`)
)

// query translates one statement.
func (d *dialect) query(q string) string {
	if strings.Contains(q, "{") { // each connection translates each statement, most of which have none
		q = listForm.ReplaceAllStringFunc(q, func(m string) string {
			parts := listForm.FindStringSubmatch(m)
			form, ok := d.list[parts[1]]
			if !ok {
				return m // a syntax error that the engine reports with the text
			}
			return fmt.Sprintf(form, "$"+parts[2])
		})
	}
	if d.param != "$" {
		q = strings.ReplaceAll(q, "$", d.param)
		if strings.Contains(q, "LIMIT ?") {
			q = limitForm.ReplaceAllString(q, "LIMIT 0+${1}")
		}
	}
	return q
}

var (
	onlyForm   = regexp.MustCompile(`--\s*only:\s*(sqlite|postgres)\s*$`)
	rowidForm  = regexp.MustCompile(`(?i)\bBIGINT(\s+NOT\s+NULL)?\s+PRIMARY\s+KEY\b`)
	byteaForm  = regexp.MustCompile(`(?i)\bBYTEA\b`)
	sqliteName = "sqlite"
)

// schema translates one migration file. A line that ends with `-- only: postgres` (or sqlite) is kept for that engine
// alone; the comment on a line of its own holds for the lines down to the next empty one.
func (d *dialect) schema(text string) string {
	var out strings.Builder
	skip := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" {
			skip = false
		}
		if m := onlyForm.FindStringSubmatchIndex(trimmed); m != nil {
			other := trimmed[m[2]:m[3]] != d.name
			if m[0] == 0 {
				skip = other
			} else if other {
				continue
			}
		}
		if !skip {
			out.WriteString(line)
		}
	}
	if d.name != sqliteName {
		return out.String()
	}
	// INTEGER PRIMARY KEY makes the column the row's own id: one tree less. BYTEA would have numeric affinity.
	s := rowidForm.ReplaceAllString(out.String(), "INTEGER PRIMARY KEY")
	return byteaForm.ReplaceAllString(s, "BLOB")
}

// List is the argument of {list $n} or {ints $n}.
func List[T any](v []T) string {
	if len(v) == 0 {
		return "[]"
	}
	b, err := json.Marshal(v)
	if err != nil {
		// Only for values that are no list members at all (channels, functions); the statement then fails by name.
		return fmt.Sprintf("bug: sqldb.List: %v", err)
	}
	return string(b)
}

// Blobs is the argument of {blobs $n}.
func Blobs[T ~[]byte](v []T) string {
	s := make([]string, len(v))
	for i, b := range v {
		s[i] = hex.EncodeToString(b)
	}
	return List(s)
}
