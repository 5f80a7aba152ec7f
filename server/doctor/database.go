package doctor

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/core/account"
	"freehold.example/core/media"
	"freehold.example/core/schema"
	"freehold.example/server"
)

// database looks at the database without taking it from a server that uses it.
func (e *examination) database(ctx context.Context) {
	const check = "database"
	c := &e.Config
	ask, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	db, err := sqldb.Open(ask, sqldb.Config{URL: c.DatabaseURL, Dir: c.DataDir, ReadOnly: true, ReadConns: 1})
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.DatabaseURL == "":
		if !e.empty() {
			e.bad(check, "Put it back from a backup, or set database_url if it is elsewhere.", "The database is gone: there is no freehold.db in %s.", c.DataDir)
		}
		return
	case errors.Is(err, sqldb.ErrEmpty):
		e.good(check, "The database is there, and empty: the first start fills it.")
		return
	case err != nil:
		e.bad(check, "", "The database cannot be used: %v", err)
		return
	}
	defer db.Close() //nolint:errcheck // it was only read
	if !e.schema(ask, check, db) {
		return
	}
	e.owner(ask, db)
	if now, err := db.Clock(ask); err == nil && c.DatabaseURL != "" {
		if d := time.Until(now); d.Abs() > time.Minute {
			e.warn("clock", "Set the clocks of both machines by the same source.", "The clock of the database differs from this one by %v.", d.Round(time.Second))
		}
	}
	if e.Deep {
		e.integrity(ctx, check, db)
	}
	e.media(ctx, db)
}

// schema says whether this version can use the database.
func (e *examination) schema(ctx context.Context, check string, db *sqldb.DB) bool {
	var had []sqldb.Migration
	err := db.Read(ctx, func(tx *sqldb.Tx) (err error) {
		had, err = tx.Migrations()
		return err
	})
	if err == nil {
		err = sqldb.Knows(schema.FS, had)
	}
	if err != nil {
		e.bad(check, "", "The database cannot be used by this version (%s): %v", e.Version, err)
		return false
	}
	files, err := fs.Glob(schema.FS, "*.sql")
	if err != nil {
		files = nil
	}
	size, err := db.Size(ctx)
	if err != nil {
		e.bad(check, "", "The database cannot be read: %v", err)
		return false
	}
	text := fmt.Sprintf("The database (%s) has %d MB.", db.Engine(), size>>20)
	if n := len(files) - len(had); n > 0 {
		e.warn(check, "Make a backup first: there is no way back.", "%s The next start changes it for this version (%s).", text, number(n, "step", "steps"))
	} else {
		e.good(check, "%s", text)
	}
	if last := db.Epoch(); last.Number > 0 {
		e.good(check, "It was restored from a backup on %s.", last.At.Local().Format("2 January 2006 15:04"))
	}
	return len(files) == len(had)
}

// owner compares the database with the settings and the signing key.
func (e *examination) owner(ctx context.Context, db *sqldb.DB) {
	accounts, err := account.New(account.Config{DB: db, ServerName: e.Config.ServerName, FastHashing: true})
	if err != nil {
		e.bad("database", "", "The accounts cannot be read: %v", err)
		return
	}
	if name, err := accounts.Owner(ctx); err == nil && name != e.Config.ServerName {
		e.bad("name", "Set server_name back, or name another database or data_dir for another server.",
			"The database is of %s, not of %s: a server's name cannot be changed.", name, e.Config.ServerName)
		return
	}
	if e.empty() {
		e.bad("key", "Put server_name and signing.key of the old data directory into this one; a backup has the key.",
			"The database is in use, and the data directory is empty: is it the right one?")
		return
	}
	signer, err := server.ReadSigningKey(filepath.Join(e.Config.DataDir, "signing.key"), e.Config.ServerName)
	if err != nil {
		return // said already
	}
	public, _ := signer.Private.Public().(ed25519.PublicKey)
	if err := accounts.CheckKey(ctx, signer.Key, public); err != nil {
		e.bad("key", "Put the right file back from a backup: `tar xf BACKUP files/signing.key`.", "%v.", err)
		return
	}
	e.good("key", "The signing key %s is the one that this server has signed with.", signer.Key)
}

func (e *examination) integrity(ctx context.Context, check string, db *sqldb.DB) {
	problems, err := db.Integrity(ctx)
	switch {
	case err != nil:
		e.bad(check, "", "The database could not be read to its end: %v", err)
	case len(problems) > 0:
		e.bad(check, "Stop the server, keep a copy of its files, and restore the last backup.", "The database is damaged: %s (%s).", problems[0], number(len(problems), "fault", "faults"))
	case db.Engine() == "sqlite":
		e.good(check, "The files of the database are whole.")
	}
}

// media compares the files with the rows that name them.
func (e *examination) media(ctx context.Context, db *sqldb.DB) {
	const check = "media"
	var hashes []blob.Hash
	var size int64
	err := db.Read(ctx, func(tx *sqldb.Tx) (err error) {
		hashes, size, err = media.Referenced(tx)
		return err
	})
	if err != nil {
		e.bad(check, "", "The list of media cannot be read: %v", err)
		return
	}
	store := blob.Look(filepath.Join(e.Config.DataDir, "media"))
	missing, damaged, first := 0, 0, blob.Hash{}
	note := func(n *int, h blob.Hash) {
		if missing+damaged == 0 {
			first = h
		}
		*n++
	}
	for _, h := range hashes {
		if ctx.Err() != nil {
			return
		}
		if !e.Deep {
			if _, err := store.Stat(ctx, h); err != nil {
				note(&missing, h)
			}
			continue
		}
		switch whole, err := same(ctx, store, h); {
		case err != nil:
			note(&missing, h)
		case !whole:
			note(&damaged, h)
		}
	}
	if missing+damaged > 0 {
		e.bad(check, "Put them back from a backup: tar xf BACKUP media/HASH, into media/HA/SH/HASH. The first is "+first.String()+".",
			"Of %d media files %d are missing and %d are damaged.", len(hashes), missing, damaged)
		return
	}
	how := "all there"
	if e.Deep {
		how = "all there and whole"
	}
	e.good(check, "%s (%d MB), %s.", number(len(hashes), "media file", "media files"), size>>20, how)
}

func same(ctx context.Context, store *blob.Files, h blob.Hash) (bool, error) {
	r, _, err := store.Open(ctx, h)
	if err != nil {
		return false, err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return false, err
	}
	return blob.Hash(sum.Sum(nil)) == h, nil
}

// hostOf is the host of a URL, or "".
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
