package report

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
)

// What a user can make the server keep is bounded, in number and in length.
func TestReportsAreBounded(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		r := New(Config{DB: db, Now: time.Now})
		add := func(rep Report) {
			t.Helper()
			if err := r.Add(t.Context(), rep); err != nil {
				t.Fatal(err)
			}
		}
		add(Report{Reporter: "@bob:s1", About: "@eve:s1", Reason: "bob's"})
		for i := range perUser + 3 {
			add(Report{Reporter: "@alice:s1", Room: "!room:s1", Reason: fmt.Sprint(i)})
		}
		list, total, err := r.List(t.Context(), Query{Limit: 10 * perUser})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != perUser+1 || total != perUser+1 || list[0].Reason != fmt.Sprint(perUser+2) || list[perUser].Reason != "bob's" {
			t.Errorf("got %d reports, the newest %q and the oldest %q", len(list), list[0].Reason, list[len(list)-1].Reason)
		}
		if page, _, err := r.List(t.Context(), Query{From: 2, Limit: 1}); err != nil || len(page) != 1 || page[0].ID != list[2].ID {
			t.Errorf("got %v (%v) after the second, want the third", page, err)
		}
		add(Report{Reporter: "@carol:s1", About: "@eve:s1", Reason: strings.Repeat("é\x00", MaxReason)})
		list, _, err = r.List(t.Context(), Query{Limit: 1})
		if err != nil || len(list) != 1 {
			t.Fatalf("got %v (%v)", list, err)
		}
		if got := list[0].Reason; len(got) > MaxReason || len(got) < MaxReason-1 || !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("got a reason of %d bytes, want up to %d of whole characters", len(got), MaxReason)
		}
		if err := r.Remove(t.Context(), list[0].ID); err != nil {
			t.Error(err)
		}
		if _, err := r.Find(t.Context(), list[0].ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want M_NOT_FOUND", err)
		}
		if err := r.Remove(t.Context(), list[0].ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want M_NOT_FOUND", err)
		}
	})
}
