package main

import (
	"os"
	"testing"
)

// TestMarks: the places that are marked are there, as the overlay is built in long runs only.
func TestMarks(t *testing.T) {
	t.Chdir("../../..")
	dir := t.TempDir()
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 20 {
		t.Errorf("got %d files, %v, want all with mutexes", len(files), err)
	}
}
