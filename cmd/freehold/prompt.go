package main

import (
	"fmt"
	"os"
	"os/exec"
)

// prompt asks on a terminal, without showing what is typed; done restores the terminal. Elsewhere it does nothing.
func prompt(c console, text string) (done func()) {
	f, ok := c.in.(*os.File)
	if !ok {
		return func() {}
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	fmt.Fprint(c.err, text)
	stty := func(arg string) {
		cmd := exec.Command("stty", arg)
		cmd.Stdin = f
		_ = cmd.Run() // without stty the password is shown, which is still better than nothing
	}
	stty("-echo")
	return func() {
		stty("echo")
		fmt.Fprintln(c.err)
	}
}
