// Package schema is the tables of the database: numbered migrations for sqldb.Migrate, embedded in the program.
//
// A file NNNN_name.sql creates the tables of one package of core, each after a line `-- owner: core/name`; only the owner
// names a table in its SQL. A file that has been released is never edited: changes are new files with the next number.
// The types are BIGINT (also for times, in milliseconds, and stream positions), TEXT, BYTEA and BOOLEAN; see package
// sqldb for what is rewritten for SQLite and for `-- only: postgres`. The tables schema_version and position are sqldb's.
package schema

import "embed"

// FS holds the migrations.
//
//go:embed *.sql
var FS embed.FS
