package harness

import (
	"fmt"
	"os"
	"path/filepath"

	"freehold.example/test/address"
)

// Shared starts one server for all tests of a package, from its TestMain. env are further settings, "FREEHOLD_X=y"; without
// FREEHOLD_DATABASE_URL among them it runs on SQLite. end kills the server and removes what it kept; it fails if the server
// had ended by itself. Of the server only URL, Dir and Log are for use.
func Shared(env ...string) (s *Server, end func() error, err error) {
	at, err := address.Free()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "freehold-shared-")
	if err != nil {
		return nil, nil, err
	}
	s = &Server{URL: "http://" + at, Dir: dir, env: env, log: filepath.Join(dir, "log")}
	if err := s.TryStart(); err != nil {
		_ = os.RemoveAll(dir) // in the temporary directory
		return nil, nil, err
	}
	return s, func() error {
		defer os.RemoveAll(dir)
		select {
		case <-s.done:
			return fmt.Errorf("the server had ended by itself: %s\n%s", s.cmd.ProcessState, s.Log(12_000))
		default:
			_ = s.cmd.Process.Kill() // it may end just now
			<-s.done
			return nil
		}
	}, nil
}
