package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/durable"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
	"freehold.example/server/archive"
)

// socketBuffer is what of a backup is gathered before it is given to who asked for it.
const socketBuffer = 256 << 10

// backup writes an archive of this server, which goes on meanwhile.
func (s *Server) backup(ctx context.Context, w io.Writer) error {
	src := archive.Source{
		DB: s.db, Blobs: s.media.Blobs, Dir: s.config.DataDir, Server: s.config.ServerName, Program: Version(), Now: s.config.Now,
	}
	out := bufio.NewWriterSize(w, socketBuffer)
	sum, err := src.Write(ctx, out)
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	s.config.Log.InfoContext(ctx, "backed up", "rows", sum.Rows, "media", sum.Files.Number, "bytes", sum.Bytes, "missing_media", len(sum.Missing))
	return nil
}

// BackUpStopped writes an archive of a server that is not running.
func BackUpStopped(ctx context.Context, c Config, w io.Writer) (err error) {
	c.fill()
	if err := archive.HalfRestored(c.DataDir); err != nil {
		return err
	}
	name, err := os.ReadFile(filepath.Join(c.DataDir, "server_name"))
	if err != nil {
		return fmt.Errorf("there is no server in %s: %w", c.DataDir, err)
	}
	if c.DatabaseURL == "" { // opening it would make it
		if _, err := os.Stat(filepath.Join(c.DataDir, "freehold.db")); err != nil {
			return fmt.Errorf("there is no database in %s (is it elsewhere? name it with --database-url): %w", c.DataDir, err)
		}
	}
	db, err := sqldb.Open(ctx, sqldb.Config{URL: c.DatabaseURL, Dir: c.DataDir, ReadConns: 1, Log: c.Log})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	blobs, err := blob.Open(filepath.Join(c.DataDir, "media"), c.Now)
	if err != nil {
		return fmt.Errorf("open the media store: %w", err)
	}
	src := archive.Source{
		DB: db, Blobs: blobs, Dir: c.DataDir, Server: id.Server(strings.TrimSpace(string(name))), Program: Version(), Now: c.Now,
	}
	_, err = src.Write(ctx, w)
	return err
}

// LastBackup is what the data directory knows of the last backup that was made of it.
type LastBackup struct {
	At    time.Time `json:"at"`
	To    string    `json:"to"` // file, or "standard output"
	Bytes int64     `json:"bytes"`
}

const lastBackupName = "last-backup.json"

// ReadLastBackup reads it; fs.ErrNotExist when there was none.
func ReadLastBackup(dir string) (b LastBackup, err error) {
	text, err := os.ReadFile(filepath.Join(dir, lastBackupName))
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal(text, &b)
}

// NoteBackup keeps it.
func NoteBackup(dir string, b LastBackup) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, lastBackupName), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("note the backup in the data directory: %w", err)
	}
	return nil
}
