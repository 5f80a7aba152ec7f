package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"freehold.example/base/durable"
	"freehold.example/server"
	"freehold.example/server/archive"
)

func lastBackup(dir string) (server.LastBackup, error) { return server.ReadLastBackup(dir) }

// empty says whether no server has ever been here.
func (e *examination) empty() bool {
	_, err := os.Stat(filepath.Join(e.Config.DataDir, "server_name"))
	return errors.Is(err, fs.ErrNotExist)
}

// How much room there should be, in bytes.
const (
	tight   = 2 << 30
	tooFull = 200 << 20
)

// directory looks at where everything is kept.
func (e *examination) directory(ctx context.Context) {
	const check = "data"
	dir := e.Config.DataDir
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.good(check, "%s is not there yet: the first start makes it.", abs)
		return
	case err != nil:
		e.bad(check, "Run this as the user that the server runs as.", "The data directory cannot be looked at: %v", err)
		return
	case !info.IsDir():
		e.bad(check, "Name a directory in data_dir.", "%s is not a directory.", abs)
		return
	}
	if err := archive.HalfRestored(dir); err != nil {
		e.bad(check, "", "%s.", err)
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		e.warn(check, "chmod 700 "+abs, "Others on this machine can look into %s, which has everybody's messages and the signing key.", abs)
	}
	e.running = e.asks(ctx)
	e.disk(check, abs)
	if e.empty() {
		e.good(check, "No server has been started in %s yet.", abs)
		return
	}
	if name, err := os.ReadFile(filepath.Join(dir, "server_name")); err == nil && strings.TrimSpace(string(name)) != string(e.Config.ServerName) {
		e.bad("name", "Set server_name to that: a server's name cannot be changed. Another data_dir starts another server.",
			"%s is the data of %s, and the settings say %s.", abs, strings.TrimSpace(string(name)), e.Config.ServerName)
	}
	e.key()
}

// asks says whether a server answers on the admin socket.
func (e *examination) asks(ctx context.Context) bool {
	conn, err := server.DialAdmin(ctx, e.Config.DataDir)
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only to see
	return true
}

// disk writes a file as the server would.
func (e *examination) disk(check, dir string) {
	began := time.Now()
	t, err := durable.NewTemp(dir)
	if err == nil {
		defer t.Discard()
		if _, err = t.Write(make([]byte, 4096)); err == nil {
			err = t.Sync()
		}
	}
	took := time.Since(began)
	if err != nil {
		e.bad(check, "Run this as the user that the server runs as, and give that user the directory.", "Nothing can be written in %s: %v", dir, err)
		return
	}
	switch kind, free, err := fileSystem(dir); {
	case err != nil:
		e.good(check, "%s can be written.", dir)
	case kind == "tmpfs" || kind == "ramfs":
		e.bad(check, "Put data_dir on a disk.", "%s is in memory (%s): all is gone when the machine stops.", dir, kind)
	case free < tooFull:
		e.bad(check, "Make room: without it nothing can be sent.", "%s has only %d MB left.", dir, free>>20)
	case free < tight:
		e.warn(check, "Make room before it is needed.", "%s has %d MB left.", dir, free>>20)
	default:
		if remote[kind] {
			e.warn(check, "Keep it on a disk of this machine, or use PostgreSQL.", "%s is on a network file system (%s), where SQLite's locks and fsync often do not hold what they promise.", dir, kind)
		}
		e.good(check, "%s has %d GB left; a write is on the disk after %.1f ms.", dir, free>>30, float64(took.Microseconds())/1000)
	}
	const slow = 50 * time.Millisecond
	if took > slow {
		e.warn(check, "Messages wait for it: a disk of its own, or one with flash memory, is faster.", "A write takes %d ms until it is on the disk.", took.Milliseconds())
	}
}

// Free is how many bytes are free for this user on the disk of a directory; -1 when that cannot be said.
func Free(dir string) int64 {
	_, free, err := fileSystem(dir)
	if err != nil {
		return -1
	}
	return free
}

var remote = map[string]bool{"nfs": true, "cifs": true, "smb2": true, "9p": true, "fuse": true, "ceph": true}

// key looks at the signing key.
func (e *examination) key() {
	const check = "key"
	path := filepath.Join(e.Config.DataDir, "signing.key")
	info, err := os.Stat(path)
	if err == nil {
		_, err = server.ReadSigningKey(path, e.Config.ServerName)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.bad(check, "Put it back from a backup: `tar xf BACKUP files/signing.key`. With a new key other servers would not believe what this one has signed.",
			"The signing key is gone (%s): this server does not start without it.", path)
	case err != nil:
		e.bad(check, "Put it back from a backup: `tar xf BACKUP files/signing.key`.", "The signing key cannot be used: %v", err)
	case info.Mode().Perm()&0o077 != 0:
		e.warn(check, "chmod 600 "+path, "Others on this machine can read the signing key: who has it can speak for this server.")
	}
}

// healthy asks the server for its health, on this machine.
func healthy(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
