package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"freehold.example/base/durable"
	"freehold.example/server"
	"freehold.example/server/archive"
	"freehold.example/server/keep"
)

const backupUsage = usage(`freehold backup [--to FILE|-] [--data-dir DIR] [--database-url URL] [--config FILE]
Writes the whole server (accounts, rooms, messages, keys, media) into one file, while it runs or not; without --to, into
freehold-NAME-TIME.tar in this directory. The file holds the signing key and everybody's data: keep it like a key.`)

// backup writes an archive of the server, and checks it while it is written.
func backup(ctx context.Context, c console, args []string) error {
	flags := flag.NewFlagSet("backup", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	to := flags.String("to", "", "")
	settings := settingFlags(flags)
	positional, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Fprintln(c.out, string(backupUsage))
		return err
	}
	if err != nil || len(positional) > 0 {
		return backupUsage
	}
	config, err := keep.Load(settings(), c.environ)
	if err != nil {
		return usage(err.Error())
	}
	giveWay() // a server that runs has people waiting
	in, err := openBackup(ctx, config)
	if err != nil {
		return err
	}
	defer in.Close()
	show := newProgress(c.err)
	visit := archive.Visitor{Progress: func(at archive.Summary) { show.backup(at) }}
	if *to == "-" {
		sum, err := archive.Read(io.TeeReader(in, c.out), visit)
		if err = explainBackup(err); err != nil {
			show.end("")
			return err
		}
		show.end(saved(sum, "standard output"))
		return remember(config, sum, "standard output")
	}
	sum, path, err := backupTo(*to, in, visit)
	if err != nil {
		show.end("")
		return err
	}
	show.end("")
	fmt.Fprintln(c.out, saved(sum, path))
	for _, hash := range sum.Missing {
		fmt.Fprintf(c.err, "freehold: the media file %s is named in the database and was not there\n", hash)
	}
	return remember(config, sum, path)
}

// backupTo writes into a file that is not there yet; nothing is there under its name until it is whole and on the disk.
func backupTo(path string, in io.Reader, visit archive.Visitor) (sum archive.Summary, _ string, err error) {
	if path != "" {
		if _, err := os.Lstat(path); err == nil {
			return sum, "", fmt.Errorf("%s is there already: a backup does not replace anything", path)
		}
	}
	tmp, err := durable.NewTemp(filepath.Dir(path))
	if err != nil {
		return sum, "", err
	}
	defer tmp.Discard()
	sum, err = archive.Read(io.TeeReader(in, &steady{file: tmp}), visit)
	if err = explainBackup(err); err != nil {
		return sum, "", err
	}
	if path == "" {
		name := strings.NewReplacer(":", "_", "[", "", "]", "").Replace(string(sum.Server))
		path = fmt.Sprintf("freehold-%s-%s.tar", name, sum.Created.Format("20060102T150405Z"))
	}
	err = tmp.Create(path)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) { // a file system without hard links, as sticks have
		if _, there := os.Lstat(path); there == nil {
			return sum, "", fmt.Errorf("%s is there already: a backup does not replace anything", path)
		}
		err = tmp.Replace(path)
	}
	return sum, path, err
}

// steady brings what is written to the disk bit by bit: all of it at once at the end would keep the server's own writes
// waiting, which are on the same disk perhaps.
type steady struct {
	file *durable.Temp
	n    int
}

func (s *steady) Write(b []byte) (int, error) {
	const often = 8 << 20
	n, err := s.file.Write(b)
	if s.n += n; s.n >= often && err == nil {
		s.n, err = 0, s.file.Sync()
	}
	return n, err
}

func explainBackup(err error) error {
	if _, ok := errors.AsType[*archive.DamagedError](err); ok {
		return fmt.Errorf("the server did not finish the backup, its log says why; nothing was kept (%w)", err)
	}
	return err
}

func saved(sum archive.Summary, path string) string {
	return fmt.Sprintf("%s: %s of %s, %d rows, %d media files", path, size(sum.Bytes), sum.Server, sum.Rows, sum.Files.Number)
}

// openBackup asks the running server for an archive, or makes one where no server runs.
func openBackup(ctx context.Context, config server.Config) (io.ReadCloser, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return server.DialAdmin(ctx, config.DataDir)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://freehold/backup", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		r, w := io.Pipe()
		go func() { w.CloseWithError(server.BackUpStopped(ctx, config, w)) }() // ends when the reader closes at the latest
		return r, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the server with its data in %s belongs to another user; run this as that user", config.DataDir)
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		defer resp.Body.Close()
		var fault struct{ Error string }
		if b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil || json.Unmarshal(b, &fault) != nil || fault.Error == "" {
			return nil, fmt.Errorf("the server answered %s", resp.Status)
		}
		return nil, errors.New(fault.Error)
	}
	return resp.Body, nil
}

// remember notes in the data directory that there is a backup, for `freehold doctor`.
func remember(config server.Config, sum archive.Summary, path string) error {
	if abs, err := filepath.Abs(path); err == nil && path != "standard output" {
		path = abs
	}
	return server.NoteBackup(config.DataDir, server.LastBackup{At: sum.Created, To: path, Bytes: sum.Bytes})
}

// settingFlags adds the flags that say where a server keeps its data; the result gives them to server.Load.
func settingFlags(flags *flag.FlagSet) func() []string {
	keys := []string{"config", "data-dir", "database-url", "server-name"}
	values := make([]string, len(keys))
	for i, key := range keys {
		flags.StringVar(&values[i], key, "", "")
	}
	return func() (args []string) {
		for i, key := range keys {
			if values[i] != "" {
				args = append(args, "--"+key, values[i])
			}
		}
		return args
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d GB", n>>30)
}

// progress is one line on a terminal that is written over; elsewhere it is nothing.
type progress struct {
	out   io.Writer // nil where there is no terminal
	began time.Time
	shown time.Time
}

func newProgress(out io.Writer) *progress {
	p := &progress{began: time.Now()}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = out
		}
	}
	return p
}

func (p *progress) line(text string) {
	if p.out == nil || time.Since(p.shown) < 200*time.Millisecond {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.out, "\r\x1b[K%s, %.0f s", text, time.Since(p.began).Seconds())
}

// end removes the line and says what is left to say.
func (p *progress) end(text string) {
	if p.out == nil {
		return
	}
	fmt.Fprint(p.out, "\r\x1b[K")
	if text != "" {
		fmt.Fprintln(p.out, text)
	}
}

func (p *progress) backup(at archive.Summary) {
	p.line(fmt.Sprintf("%s, %d of %d media files", size(at.Bytes), at.Files.Number, at.Media.Number))
}
