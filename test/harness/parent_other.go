//go:build !linux

package harness

import "syscall"

func DieWithParent() *syscall.SysProcAttr { return nil }
