//go:build unix

package main

import "syscall"

// giveWay lets other processes of the machine go first.
func giveWay() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 15) } // it is a courtesy
