package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"
)

const postgresTables = `SELECT table_name FROM information_schema.tables
	WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`

var postgresDialect = &dialect{
	name:       "postgres",
	beginRead:  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	beginWrite: "BEGIN",
	list: map[string]string{
		"list":  "SELECT jsonb_array_elements_text(%s::jsonb)",
		"ints":  "SELECT CAST(jsonb_array_elements_text(%s::jsonb) AS BIGINT)",
		"blobs": "SELECT decode(jsonb_array_elements_text(%s::jsonb), 'hex')",
	},
	allTables: postgresTables,
	tables:    postgresTables + ` ORDER BY table_name`,
	columns: `SELECT column_name, upper(data_type) FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position`,
	size:   `SELECT pg_database_size(current_database())`,
	clock:  `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
	param:  "$",
	trips:  true,
	noZero: true,
	aborted: func(c *sql.Conn) bool {
		status := byte('E')
		err := c.Raw(func(d any) error {
			if c, ok := d.(*stdlib.Conn); ok {
				status = c.Conn().PgConn().TxStatus()
			}
			return nil
		})
		return err != nil || status != 'T' // 'T': in a transaction that has not failed
	},
	together: together,
	lost: func(c *sql.Conn) bool {
		closed := true
		err := c.Raw(func(d any) error {
			if c, ok := d.(*stdlib.Conn); ok {
				closed = c.Conn().IsClosed()
			}
			return nil
		})
		return err != nil || closed
	},
	maxBatch: 60, // more than 64 subtransactions make every snapshot look them up on disk
	retriable: func(err error) bool {
		e, ok := errors.AsType[*pgconn.PgError](err)
		return ok && (e.Code == "40001" || e.Code == "40P01") // serialization_failure, deadlock_detected
	},
	full: func(err error) bool {
		e, ok := errors.AsType[*pgconn.PgError](err)
		return ok && e.Code == "53100" // disk_full
	},
}

// together sends statements as one pipeline.
func together(ctx context.Context, c *sql.Conn, puts []put) (n int64, err error) {
	err = c.Raw(func(d any) error {
		var batch pgx.Batch
		for _, p := range puts {
			batch.Queue(p.text, p.args...)
		}
		results := d.(*stdlib.Conn).Conn().SendBatch(ctx, &batch)
		for _, p := range puts {
			tag, err := results.Exec()
			n = tag.RowsAffected()
			if err == nil && n == 0 {
				err = p.none
			}
			if err != nil {
				_ = results.Close() // what comes of the others is taken back
				return err
			}
		}
		return results.Close()
	})
	return n, err
}

// advisoryKey is the lock that the writing process holds: "freehold" in ASCII.
const advisoryKey = 0x66726565686f6c64

// openPostgres opens the database that the URL names.
func openPostgres(ctx context.Context, db *DB) error {
	db.dialect = postgresDialect
	c, err := pgx.ParseConfig(db.config.URL)
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	c.StatementCacheCapacity = 512
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		// A caller who goes away cancels its statement, and costs the connection only when that has no effect.
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 2 * time.Second}
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "freehold"
	}
	open := func(conns int) *sql.DB {
		p := stdlib.OpenDB(*c)
		p.SetMaxOpenConns(conns)
		return p
	}
	db.read = &pool{db: open(db.config.ReadConns)}
	if !db.config.ReadOnly {
		db.write = &pool{db: open(1), setup: takeAlone}
	}
	if err := checkCollation(ctx, db.read.db, c.Database); err != nil {
		return err
	}
	return nil
}

// checkCollation refuses a database that does not sort by bytes: ORDER BY would differ from SQLite and from Go.
func checkCollation(ctx context.Context, db *sql.DB, name string) error {
	var provider, collate, encoding string
	err := db.QueryRowContext(ctx, `SELECT datlocprovider::text, datcollate, pg_encoding_to_char(encoding)
		FROM pg_database WHERE datname = current_database()`).Scan(&provider, &collate, &encoding)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	if encoding == "UTF8" && (provider == "b" || provider == "c" && (collate == "C" || collate == "POSIX")) {
		return nil
	}
	return fmt.Errorf("the database %q has the collation %s and the encoding %s, but must sort by bytes: create it with "+
		`CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`,
		name, collate, encoding, pgx.Identifier{name}.Sanitize())
}

// errTaken says that another process writes to the database.
var errTaken = errors.New("another process writes to this database: only one may at a time")

// Away says whether Open has failed with a PostgreSQL that does not answer, or that another process writes to: it may come
// back by itself.
func Away(err error) bool {
	_, unreached := errors.AsType[*pgconn.ConnectError](err)
	return unreached || errors.Is(err, errTaken)
}

// takeAlone makes c the only writing connection of all processes. The server gives the lock back with the connection, so
// after a lost one this waits until the old one's last COMMIT is decided.
func takeAlone(ctx context.Context, c *sql.Conn) error {
	var mode string
	if err := c.QueryRowContext(ctx, `SELECT current_setting('synchronous_commit')`).Scan(&mode); err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	if mode == "off" { // acknowledged means durable (D5)
		if _, err := c.ExecContext(ctx, `SET synchronous_commit = on`); err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
	}
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		var got bool
		if err := c.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(advisoryKey)).Scan(&got); err != nil {
			return fmt.Errorf("lock the database: %w", err)
		}
		if got {
			return nil
		}
		if wait > 2*time.Second {
			return errTaken
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
