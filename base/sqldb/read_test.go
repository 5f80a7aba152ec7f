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

// TestReadsUseTheLastConnection: of those that nobody uses the one that was used last is taken, which has the pages of the database, also when
// a reader pauses. The others would read and keep the same pages each.
func TestReadsUseTheLastConnection(t *testing.T) {
	db, err := Open(t.Context(), Config{Dir: t.TempDir(), ReadConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var first *conn
	err = db.Read(t.Context(), func(tx *Tx) error {
		first = tx.conn
		return db.Read(t.Context(), func(*Tx) error { return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		err := db.Read(t.Context(), func(tx *Tx) error {
			before := tx.conn
			if err := tx.Pause(func() error { return nil }); err != nil {
				return err
			}
			if before != first || tx.conn != first {
				t.Error("another connection than the one used last was taken")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
