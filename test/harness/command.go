package harness

import (
	"bytes"
	"os/exec"
)

// Command is another command of the program for this server, not started yet; what it prints goes to out. It dies with
// the test.
func (s *Server) Command(args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	s.t.Helper()
	binary, err := build()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd, out = exec.Command(binary, args...), new(bytes.Buffer)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ(), out, out
	cmd.SysProcAttr = DieWithParent()
	return cmd, out
}

// Binary is the path of the program, which is built when it is asked for first.
func Binary() (string, error) { return build() }
