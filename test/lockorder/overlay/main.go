// Overlay writes what `go build -overlay` needs to build the server with the locks of test/lockorder in the place of those
// of package sync: copies of the files that have some, in the directory named, and overlay.json.
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: overlay DIRECTORY (from the root of the repository)")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

// marks are where something is waited for that is no mutex.
var marks = map[string][][2]string{
	"base/lane/lane.go": {
		{"unlocker(key K) func() {\n", "unlocker(key K) func() {\n\thold := new(int)\n\tlockorder.Enter(hold, fmt.Sprintf(\"lane of %T\", key))\n"},
		{"once.Do(func() { l.pass(key) })", "once.Do(func() { lockorder.Leave(hold); l.pass(key) })"},
		{"import (\n", "import (\n\t\"fmt\"\n"},
	},
	"base/sqldb/read.go": {
		{"Read(ctx context.Context, fn func(*Tx) error) error {\n", "Read(ctx context.Context, fn func(*Tx) error) error {\n\thold := new(int)\n\tlockorder.Enter(hold, \"a connection for reading\")\n\tdefer lockorder.Leave(hold)\n"},
		{"ReadOne(ctx context.Context, fn func(*Tx) error) error {\n", "ReadOne(ctx context.Context, fn func(*Tx) error) error {\n\thold := new(int)\n\tlockorder.Enter(hold, \"a connection for reading\")\n\tdefer lockorder.Leave(hold)\n"},
	},
	"base/sqldb/queue.go": {
		{"Wait(ctx context.Context) error {\n", "Wait(ctx context.Context) error {\n\thold := new(int)\n\tlockorder.Enter(hold, \"a commit\")\n\tdefer lockorder.Leave(hold)\n"},
	},
	"base/sqldb/write.go": {
		{"(err error) {\n\tdefer func() {\n\t\tif r := recover()", "(err error) {\n\thold := new(int)\n\tlockorder.Enter(hold, \"a commit\")\n\tdefer lockorder.Leave(hold)\n\tdefer func() {\n\t\tif r := recover()"},
	},
}

func write(dir string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	replace := map[string]string{}
	for _, floor := range []string{"matrix", "base", "core", "api", "server"} {
		err := filepath.WalkDir(floor, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			old, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			changed, err := watched(path, string(old))
			if err != nil || changed == string(old) {
				return err
			}
			to := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
			replace[filepath.Join(root, path)] = to
			return os.WriteFile(to, []byte(changed), 0o600)
		})
		if err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), raw, 0o600)
}

// watched is a file with its locks replaced.
func watched(path, src string) (string, error) {
	out := strings.NewReplacer("sync.Mutex", "lockorder.Mutex", "sync.RWMutex", "lockorder.RWMutex").Replace(src)
	for _, m := range marks[path] {
		if strings.Count(out, m[0]) != 1 {
			return "", fmt.Errorf("%s: %q is there %d times, not once", path, m[0], strings.Count(out, m[0]))
		}
		out = strings.Replace(out, m[0], m[1], 1)
	}
	if out == src {
		return src, nil
	}
	if !regexp.MustCompile(`\bsync\.[A-Z]`).MatchString(out) {
		out = strings.Replace(out, "\t\"sync\"\n", "", 1)
		out = strings.Replace(out, "import \"sync\"\n", "", 1)
	}
	// A second import declaration may follow the first at once.
	if i := strings.Index(out, "\nimport "); i >= 0 {
		return out[:i+1] + "import \"freehold.example/test/lockorder\"\n\n" + out[i+1:], nil
	}
	return strings.Replace(out, "\n\n", "\n\nimport \"freehold.example/test/lockorder\"\n\n", 1), nil
}
