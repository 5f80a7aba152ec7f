package search

import (
	"fmt"
	"strconv"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
)

// Full-text search is the one thing that the two engines do not share an SQL text for: each has an index of its own, which
// follows the table search_entry by itself (core/schema/0022_search.sql), and its own words for asking. What is asked
// is the same: entries with all of the words, of these rooms and keys, up to a position, newest first. PostgreSQL is given
// arrays, as of a list it does not know how long it is, and then reads every entry with the word before it sorts them.

const (
	sqlFindSQLite = `SELECT e.event FROM search_words w JOIN search_entry e ON e.pos = w.rowid
		WHERE w.search_words MATCH $1 AND w.rowid <= $2 AND e.room IN ({ints $3}) AND e.key IN ({list $4})
		ORDER BY w.rowid DESC LIMIT $5`
	sqlPlanPostgres = `SET LOCAL plan_cache_mode = force_custom_plan`
	sqlFindPostgres = `SELECT event FROM search_entry WHERE found @@ CAST($1 AS tsquery) AND pos <= $2
		AND room = ANY (CAST($3 AS bigint[])) AND key = ANY (CAST($4 AS text[])) ORDER BY pos DESC LIMIT $5`
)

// candidates finds the newest events with all of the words.
func (s *Search) candidates(tx *sqldb.Tx, words []string, rooms []room.NID, keys []string, upto sqldb.Pos) ([]room.NID, error) {
	terms := make([]string, len(words))
	if s.DB.Engine() == "postgres" {
		for i, w := range words {
			terms[i] = "'" + w + "'"
			if isPrefix(w) {
				terms[i] += ":*"
			}
		}
		// Whether to go by the words or by the newest entries depends on how frequent the words are.
		if _, err := tx.Exec(sqlPlanPostgres); err != nil {
			return nil, err
		}
		match := strings.Join(terms, " & ")
		return sqldb.Column[room.NID](tx, sqlFindPostgres, match, upto, array(rooms), array(keys), maxHits)
	}
	for i, w := range words {
		terms[i] = `"` + w + `"`
		if isPrefix(w) {
			terms[i] += " *"
		}
	}
	match := strings.Join(terms, " AND ")
	return sqldb.Column[room.NID](tx, sqlFindSQLite, match, upto, sqldb.List(rooms), sqldb.List(keys), maxHits)
}

// array is PostgreSQL's text form of an array.
func array[T any](list []T) string {
	quoted := make([]string, len(list))
	for i, v := range list {
		quoted[i] = strconv.Quote(fmt.Sprint(v))
	}
	return "{" + strings.Join(quoted, ",") + "}"
}
