package guard

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, dir string) *Guard {
	t.Helper()
	g, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// What is confirmed stays; what is not is gone, also for the process that comes after one that was killed.
func TestTrial(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	number, text := must[int](t), must[[]byte](t)
	g := open(t, dir)
	if g.Current() != 0 {
		t.Errorf("got %d, want nothing", g.Current())
	}
	first := number(g.Adopt([]byte("a"), "operator", "the first start"))
	second := number(g.Begin([]byte("b"), "alice", "to see"))
	if _, err := g.Begin([]byte("c"), "bob", ""); err == nil {
		t.Error("two were on trial at once")
	}
	if now, _ := g.Trial(); g.Current() != first || now != second {
		t.Errorf("got %d and %d on trial", g.Current(), now)
	}

	g = open(t, dir) // of the next process
	now, _ := g.Trial()
	if was, err := g.Undo(now, "killed"); !was || err != nil || now != second || g.Current() != first {
		t.Errorf("got %v (%v), %d on trial, current %d", was, err, now, g.Current())
	}
	if e, rejected := g.Rejected(Hash([]byte("b"))); !rejected || e.Number != second || e.Outcome != Undone+"killed" {
		t.Errorf("got %+v, %v", e, rejected)
	}
	if err := g.Confirm(second); err == nil {
		t.Error("what was undone could be confirmed")
	}

	third := number(g.Begin([]byte("b"), "alice", "again"))
	if err := g.Confirm(third); err != nil {
		t.Fatal(err)
	}
	if was, err := g.Undo(third, "late"); was || err != nil {
		t.Errorf("what was confirmed could be undone (%v)", err)
	}
	g = open(t, dir)
	if got := text(g.Text(g.Current())); g.Current() != third || string(got) != "b" || g.Before() != first {
		t.Errorf("got %d %q, before it %d", g.Current(), got, g.Before())
	}
	if _, rejected := g.Rejected(Hash([]byte("b"))); rejected {
		t.Error("what was confirmed later counts as undone")
	}
}

func TestWatch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	synctest.Test(t, func(t *testing.T) {
		number := must[int](t)
		g := open(t, dir)
		number(g.Adopt([]byte("a"), "operator", ""))
		undone := 0
		n := number(g.Begin([]byte("b"), "alice", ""))
		g.Watch(n, time.Minute, func() { undone++ })
		time.Sleep(59 * time.Second)
		if err := g.Confirm(n); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if undone != 0 || g.Current() != n {
			t.Errorf("undone %d times, current %d", undone, g.Current())
		}
		last := number(g.Begin([]byte("c"), "alice", ""))
		g.Watch(last, time.Minute, func() { undone++ })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if undone != 1 || g.Current() != n || g.Confirm(last) == nil {
			t.Errorf("undone %d times, current %d", undone, g.Current())
		}
	})
}

// Fifty that were before are kept, and what is current for however long.
func TestKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	g := open(t, dir)
	number := must[int](t)
	number(g.Adopt([]byte("the first"), "operator", ""))
	for i := range 2 * kept {
		n := number(g.Begin(fmt.Append(nil, i), "alice", ""))
		if was, err := g.Undo(n, "no"); !was || err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.toml"))
	if err != nil || len(files) != kept+1 || len(g.History()) != kept+1 {
		t.Errorf("got %d files, %d entries (%v)", len(files), len(g.History()), err)
	}
	if text, err := open(t, dir).Text(1); string(text) != "the first" {
		t.Errorf("got %q (%v)", text, err)
	}
}

// Where nothing can be written, nothing begins; and what has begun ends all the same.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	g := open(t, dir)
	number := must[int](t)
	number(g.Adopt([]byte("a"), "operator", ""))
	n := number(g.Begin([]byte("b"), "alice", ""))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Confirm(n); err == nil {
		t.Error("confirmed, and nothing says so")
	}
	if was, err := g.Undo(n, "no"); !was || err == nil {
		t.Errorf("got %v, %v", was, err)
	}
	if now, _ := g.Trial(); now != 0 || g.Current() != 1 {
		t.Errorf("%d is on trial, %d current", now, g.Current())
	}
	if _, err := g.Begin([]byte("c"), "alice", ""); err == nil {
		t.Error("a trial began that the next start would not know of")
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := Open(dir)
	if err == nil || !strings.Contains(err.Error(), "cannot be read") || g.Current() != 0 {
		t.Errorf("got %v", err)
	}
	if n, err := g.Adopt([]byte("a"), "operator", ""); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
