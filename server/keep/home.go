package keep

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"freehold.example/base/durable"
	"freehold.example/server"
	"freehold.example/server/guard"
)

// source is where the settings of this start come from.
type source struct {
	server.Sources
	text      []byte // of the file; nil without one
	wrong     error  // why it cannot be read
	home      string // where the server keeps its data, whatever is wrong with the file
	elsewhere string // the directory that the file names instead, which has no server in it; "" for none
}

// find reads flags, environment and file, and finds the data directory. The error is one of flags.
func find(args, environ []string) (*source, error) {
	sources, err := server.ReadSources(args, environ)
	if err != nil {
		return nil, err
	}
	s := &source{Sources: sources}
	if s.File != "" {
		if s.text, s.wrong = os.ReadFile(s.File); s.wrong != nil {
			s.wrong = fmt.Errorf("configuration: %w", s.wrong)
		}
	}
	home := s.dir()
	if s.home, err = filepath.Abs(home); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	return s, nil
}

// config is what the sources say together, the file as it is.
func (s *source) config() (server.Config, error) {
	if s.wrong != nil {
		return server.Defaults(), s.wrong
	}
	c, err := s.Config(s.File, s.text)
	if err == nil && s.elsewhere != "" {
		err = fmt.Errorf("data_dir: there is no server in %s, and there is one in %s: move it there while it is stopped (to start a new one, remove %s)",
			s.elsewhere, s.home, s.pointer())
	}
	return c, err
}

// dataDir finds the data directory in a file that cannot be read as a whole.
var dataDir = regexp.MustCompile(`(?m)^[ \t]*data_dir[ \t]*=[ \t]*["']([^"'\n]+)["']`)

// dir is the data directory. What a flag or the environment says holds; then what the file says, unless there is no server
// in it and there is one where the pointer beside the file says that there was one.
func (s *source) dir() string {
	if v, ok := s.Pinned("data_dir"); ok && v != "" {
		return v
	}
	dir := server.Defaults().DataDir
	c, err := s.Config(s.File, s.text)
	said := err == nil || c.DataDir != dir
	if said {
		dir = c.DataDir
	} else if m := dataDir.FindSubmatch(s.text); m != nil {
		dir, said = string(m[1]), true
	}
	if s.File == "" {
		return dir
	}
	before, err := os.ReadFile(s.pointer())
	if err != nil {
		return dir
	}
	known := strings.TrimSpace(string(before))
	if abs, err := filepath.Abs(dir); err == nil && known != "" && abs != known && (!said || !hasServer(dir)) && hasServer(known) {
		s.elsewhere = dir
		return known
	}
	return dir
}

// hasServer says whether a server has been started in a directory.
func hasServer(dir string) bool { return exists(filepath.Join(dir, "server_name")) }

// pointer is the file that remembers where the data is, for when the operator's own file cannot be read, or is wrong about
// it.
func (s *source) pointer() string { return s.File + ".data-dir" }

// point writes it. Where that is not allowed there is none, and the operator's file is believed.
func (s *source) point() {
	if _, pinned := s.Pinned("data_dir"); pinned || s.File == "" {
		return
	}
	text := []byte(s.home + "\n")
	if had, err := os.ReadFile(s.pointer()); err != nil || string(had) != string(text) {
		_ = durable.WriteFile(s.pointer(), text, 0o644) // said above
	}
}

// Home is the data directory that these flags and this environment mean, whatever is wrong with the file that they name: for
// commands to find the admin socket.
func Home(args, environ []string) (string, error) {
	s, err := find(args, environ)
	if err != nil {
		return "", err
	}
	return s.home, nil
}

// Load is server.Load as the next start would do it: when the file cannot be used, or was not confirmed, the configuration
// is the confirmed one.
func Load(args, environ []string) (server.Config, error) {
	s, err := find(args, environ)
	if err != nil {
		return server.Defaults(), err
	}
	c, wrong := s.config()
	g, err := guard.Open(filepath.Join(s.home, "config"))
	if err != nil || g.Current() == 0 {
		return c, wrong
	}
	hash := guard.Hash(s.text)
	_, seen := g.Seen()
	_, rejected := g.Rejected(hash)
	if wrong == nil && seen != hash && !rejected {
		return c, nil
	}
	text, err := g.Text(g.Current())
	if errors.Is(err, fs.ErrNotExist) {
		return c, wrong
	}
	if err != nil {
		return c, errors.Join(wrong, err)
	}
	return s.Config(fmt.Sprintf("configuration %d", g.Current()), text)
}

// reachable is where a listener can be reached from this machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
