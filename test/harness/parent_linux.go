package harness

import "syscall"

// dieWithParent ends the server when the test process ends, however it ends: a test that panics runs no cleanup.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
