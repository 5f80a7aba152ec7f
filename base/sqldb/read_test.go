package sqldb

import "testing"

// TestReadsShareAConnection: a connection is made when all there are have something to do, and not before. One that was used
// lately has its statements, and pages of the database.
func TestReadsShareAConnection(t *testing.T) {
	db, err := Open(t.Context(), Config{Dir: t.TempDir(), ReadConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	read := func(n int, inside func(*Tx) error) {
		t.Helper()
		for range n {
			if err := db.Read(t.Context(), inside); err != nil {
				t.Fatal(err)
			}
		}
	}
	read(10, func(*Tx) error { return nil })
	if n := db.read.db.Stats().OpenConnections; n != 1 {
		t.Errorf("one reader after the other made %d connections", n)
	}
	read(10, func(*Tx) error { return db.Read(t.Context(), func(*Tx) error { return nil }) })
	if n := db.read.db.Stats().OpenConnections; n != 2 {
		t.Errorf("two readers at once made %d connections", n)
	}
}
