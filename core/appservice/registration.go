package appservice

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"freehold.example/matrix/id"
)

// registration is the file by which the operator lets an application service in
// (https://spec.matrix.org/v1.19/application-service-api/#registration). Keys that are not known here are left alone: other
// servers have some of their own.
type registration struct {
	ID         string  `yaml:"id"`
	URL        *string `yaml:"url"`
	ASToken    string  `yaml:"as_token"`
	HSToken    string  `yaml:"hs_token"`
	Sender     string  `yaml:"sender_localpart"`
	Namespaces struct {
		Users   []namespace `yaml:"users"`
		Aliases []namespace `yaml:"aliases"`
		Rooms   []namespace `yaml:"rooms"`
	} `yaml:"namespaces"`
	RateLimited *bool    `yaml:"rate_limited"`
	Protocols   []string `yaml:"protocols"`

	Ephemeral    bool `yaml:"receive_ephemeral"`
	OldEphemeral bool `yaml:"de.sorunome.msc2409.push_ephemeral"` // as it was called before
	Encryption   bool `yaml:"org.matrix.msc3202"`
}

type namespace struct {
	Exclusive bool   `yaml:"exclusive"`
	Regex     string `yaml:"regex"`
}

// The bounds of what is read.
const (
	maxFile     = 1 << 20
	maxServices = 1000
)

// load reads every .yaml and .yml file of a directory, in the order of their names. The error names the file and what is
// wrong with it; no token is in it.
func load(dir string, server id.Server) ([]*Service, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*Service
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		s, err := read(filepath.Join(dir, e.Name()), server)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		for _, other := range all {
			if other.ID == s.ID || other.token == s.token {
				return nil, fmt.Errorf("%s: the id and the as_token must be its own, and one of them is that of %s", e.Name(), other.ID)
			}
		}
		if all = append(all, s); len(all) > maxServices {
			return nil, fmt.Errorf("there are more than %d registrations", maxServices)
		}
	}
	return all, nil
}

func read(path string, server id.Server) (*Service, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	var r registration
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&r); err != nil {
		return nil, errors.New("it is not a registration in YAML") // the parser's own words may have a token in them
	}
	return r.service(server)
}

// service checks a registration.
func (r *registration) service(server id.Server) (*Service, error) {
	s := &Service{
		ID: r.ID, Protocols: slices.Compact(slices.Sorted(slices.Values(r.Protocols))),
		RateLimited: r.RateLimited == nil || *r.RateLimited,
		token:       sha256.Sum256([]byte(r.ASToken)), hsToken: r.HSToken,
		Ephemeral: r.Ephemeral || r.OldEphemeral, oldEphemeral: r.OldEphemeral, Encryption: r.Encryption,
		gate: newGate(),
	}
	for _, p := range s.Protocols {
		if p == "" || p == "." || p == ".." {
			return nil, fmt.Errorf("protocols: %q is not the name of a protocol", p)
		}
	}
	for key, value := range map[string]string{"id": r.ID, "as_token": r.ASToken, "hs_token": r.HSToken, "sender_localpart": r.Sender} {
		if value == "" {
			return nil, fmt.Errorf("%s is missing", key)
		}
	}
	if r.URL != nil && *r.URL != "" {
		u, err := url.Parse(*r.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("url is not an address such as http://127.0.0.1:9000; leave it null for a service that is sent nothing")
		}
		s.URL = u
	}
	var err error
	if s.Sender, err = id.ParseUser(string(id.NewUser(r.Sender, server))); err != nil {
		return nil, errors.New("sender_localpart is not the local part of a user id")
	}
	for key, list := range map[string]struct {
		from []namespace
		into *namespaces
	}{
		"users":   {r.Namespaces.Users, &s.users},
		"aliases": {r.Namespaces.Aliases, &s.aliases},
		"rooms":   {r.Namespaces.Rooms, &s.rooms},
	} {
		for _, n := range list.from {
			// A namespace is of whole identifiers. Go's expressions take time linear in what they look at.
			expr, err := regexp.Compile("^(?:" + n.Regex + ")$")
			if err != nil {
				return nil, fmt.Errorf("namespaces.%s: %q is not a regular expression", key, n.Regex)
			}
			*list.into = append(*list.into, space{expr, n.Exclusive})
		}
	}
	return s, nil
}
