package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report replaces this engine's table in a Markdown file, between two comments, and leaves the rest as it is.
func report(o options, results []result) error {
	engine := "sqlite"
	if o.database != "" {
		engine = "postgres"
	}
	begin, end := fmt.Sprintf("<!-- %s: made by freehold-load -->\n", engine), fmt.Sprintf("<!-- %s: end -->\n", engine)
	old, err := os.ReadFile(o.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b bytes.Buffer
	head, rest, found := strings.Cut(string(old), begin)
	b.WriteString(head)
	b.WriteString(begin)
	fmt.Fprintf(&b, "\n%s, %d messages each, %s, commit %s, %s\n\n", engine, results[0].messages, machine(), commit(), time.Now().UTC().Format("2006-01-02"))
	b.WriteString("| scenario | messages/s | server CPU per message | send p50 | send p99 | arrival p50 | arrival p99 | memory |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		arrive50, arrive99 := "-", "-"
		if len(r.arrive) > 0 {
			arrive50, arrive99 = r.arrive.at(50).String(), r.arrive.at(99).String()
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.3f ms | %s | %s | %s | %s | %.0f MiB |\n",
			r.what, r.perSecond, milliseconds(r.cpu), r.send.at(50), r.send.at(99), arrive50, arrive99, r.memory)
	}
	b.WriteString("\n" + end)
	if found {
		_, after, _ := strings.Cut(rest, end)
		b.WriteString(after)
	}
	return os.WriteFile(o.out, b.Bytes(), 0o644)
}

func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d x %s shared with the generator", runtime.NumCPU(), model)
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
