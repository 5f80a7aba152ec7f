package crash

import (
	"context"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/test/harness"
)

// Check finds what it is there to find: each of these is what a crash could leave of a server that is less careful.
func TestCheckFindsDamage(t *testing.T) {
	s := harness.Start(t, harness.SQLite, quiet)
	w := newCrowd(t, s.URL)
	w.busy(100, 0, s.Kill)
	checkStored(t, s)

	const last = `(SELECT MAX(head_pos) FROM room)`
	for _, damage := range []struct{ name, sql, want string }{
		{"the newest event is missing", `DELETE FROM event WHERE pos = ` + last, "the head is event"},
		{"an event in the middle is missing", `DELETE FROM event WHERE pos = (SELECT pos FROM event WHERE pos < ` + last +
			` AND CAST(json AS TEXT) LIKE '%m.room.message%' ORDER BY pos LIMIT 1)`, "does not come before it"},
		{"half an event", `UPDATE event SET json = SUBSTR(json, 1, 100) WHERE pos = ` + last, "is not an event"},
		{"another event's bytes", `UPDATE event SET json = (SELECT json FROM event WHERE pos < ` + last + ` AND CAST(json AS TEXT) LIKE '%m.room.message%' LIMIT 1)
			WHERE pos = ` + last, "its bytes"},
		{"the head is behind", `UPDATE room SET head_pos = head_pos - 1 WHERE head_pos = ` + last, "the head is event"},
		{"the head's edge is another", `UPDATE room SET extremities = '[]' WHERE head_pos = ` + last, "forward extremities"},
		{"the current state is older", `UPDATE room SET state = (SELECT state FROM event e WHERE e.room = room.nid ORDER BY pos LIMIT 1)`, "the head is event"},
		{"a state node is missing", `DELETE FROM state_node WHERE address = (SELECT state FROM room WHERE head_pos = ` + last + `)`, "is missing"},
		{"a membership is missing", `DELETE FROM membership WHERE user_id LIKE '%person3%'`, "the memberships are"},
		{"a membership is older", `UPDATE membership SET membership = 'leave' WHERE user_id LIKE '%person3%'`, "the memberships are"},
		{"the room of events is missing", `DELETE FROM room WHERE head_pos = ` + last, "are in no room"},
		{"positions begin again", `UPDATE event SET pos = pos + 1000 WHERE pos = ` + last, "beyond the end"},
		{"numbers begin again", `UPDATE nid_block SET next = 1`, "beyond the end"},
	} {
		t.Run(damage.name, func(t *testing.T) {
			dir := t.TempDir()
			copyData(t, s.Dir, dir)
			db, err := sqldb.Open(context.Background(), sqldb.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.Write(context.Background(), func(tx *sqldb.Tx) error {
				n, err := tx.Exec(damage.sql)
				if n == 0 {
					t.Error("nothing was damaged")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			problems, err := Check(context.Background(), db)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(problems, "\n"), damage.want) {
				t.Errorf("got %q, want one with %q", problems, damage.want)
			}
		})
	}
}
