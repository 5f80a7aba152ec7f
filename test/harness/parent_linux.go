package harness

import "syscall"

// DieWithParent ends the server when the test process ends, however it ends: a test that panics runs no cleanup.
func DieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
