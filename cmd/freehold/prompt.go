package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// askPassword asks a person, twice, without showing what is typed.
func askPassword(ctx context.Context, c console) (string, error) {
	onTerminal := func(cmd *exec.Cmd) {
		cmd.Stdin = c.in
		_ = cmd.Run() // without stty the password is shown, which is still better than nothing
	}
	onTerminal(exec.CommandContext(ctx, "stty", "-echo"))
	defer onTerminal(exec.CommandContext(context.WithoutCancel(ctx), "stty", "echo"))
	var typed [2]string
	for i, text := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(c.err, text)
		line, err := firstLine(c.in)
		fmt.Fprintln(c.err)
		if err != nil {
			return "", err
		}
		typed[i] = line
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}
	return typed[0], nil
}
