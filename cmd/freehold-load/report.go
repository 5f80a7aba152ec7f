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

// report replaces a table in a Markdown file, between two comments, and leaves the rest as it is. Where nothing was measured the
// table stays.
func report(o options, engine string, figures []figure) error {
	if len(figures) == 0 {
		return nil
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
	fmt.Fprintf(&b, "\n%s, %s (load average before: %s), commit %s, %s\n\n", engine, machine(), o.busy, commit(), time.Now().UTC().Format("2006-01-02"))
	b.WriteString("| work | measured | target | |\n|---|---|---|---|\n")
	for i, f := range figures {
		work, verdict := f.work, ""
		if i > 0 && figures[i-1].work == work {
			work = ""
		}
		switch {
		case !f.met:
			verdict = "**not met**"
		case f.target != "":
			verdict = "met"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", work, f.measured, f.target, verdict)
	}
	b.WriteString("\n" + end)
	if found {
		_, after, _ := strings.Cut(rest, end)
		b.WriteString(after)
	}
	return os.WriteFile(o.out, b.Bytes(), 0o644) // #nosec G306 -- a page of the documentation
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

// load is how busy the machine is, as processors' worth of work over the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(b), " ")
	return minute
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
