package audit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/audit"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func TestLog(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		now := time.UnixMilli(1_800_000_000_000)
		log := audit.New(audit.Config{DB: db, Now: func() time.Time { return now }})
		begin := func(by id.User, action, target string, params any) int64 {
			t.Helper()
			n, err := log.Begin(t.Context(), audit.Entry{By: by, Device: "D", Action: action, Target: target}, params)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		first := begin("@a:s1", "PUT /x", "@b:s1", map[string]any{"admin": true})
		second := begin("@c:s1", "POST /y", "!r\x00:s1"+strings.Repeat("é", 400), strings.Repeat("x", 20<<10))
		third := begin(audit.Operator, "PUT /x", "", nil)
		for n, result := range map[int64]error{first: nil, second: fault.New(fault.NotFound, "none")} {
			if err := log.End(t.Context(), n, result); err != nil {
				t.Fatal(err)
			}
		}
		if err := log.End(t.Context(), first, errors.New("too late: it was over")); err != nil {
			t.Fatal(err)
		}

		list := func(q audit.Query) (found []int64) {
			t.Helper()
			q.Limit = max(q.Limit, 1)
			all, err := log.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				found = append(found, e.ID)
			}
			return found
		}
		for _, c := range []struct {
			q    audit.Query
			want []int64
		}{
			{audit.Query{Limit: 10}, []int64{third, second, first}},
			{audit.Query{Limit: 2}, []int64{third, second}},
			{audit.Query{Limit: 2, Before: second}, []int64{first}},
			{audit.Query{Limit: 9, By: "@c:s1"}, []int64{second}},
			{audit.Query{Limit: 9, Target: "@b:s1"}, []int64{first}},
			{audit.Query{Limit: 9, Action: "PUT /x"}, []int64{third, first}},
		} {
			got := list(c.q)
			if len(got) != len(c.want) {
				t.Errorf("%+v: got %v, want %v", c.q, got, c.want)
				continue
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%+v: got %v, want %v", c.q, got, c.want)
				}
			}
		}
		e, err := log.Find(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Params) != `{"admin":true}` || e.Outcome != audit.Done || !e.At.Equal(now) || e.Device != "D" || e.By != "@a:s1" {
			t.Errorf("got %+v", e)
		}
		e, err = log.Find(t.Context(), second)
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Params) != `{"left_out_bytes":20482}` || e.Outcome != "M_NOT_FOUND" || len(e.Target) > 512 || strings.Contains(e.Target, "\x00") {
			t.Errorf("got %+v", e)
		}
		if e, err := log.Find(t.Context(), third); err != nil || e.Outcome != audit.Begun {
			t.Errorf("got %+v (%v), want one that is begun", e, err)
		}
		if _, err := log.Find(t.Context(), 1<<40); !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want M_NOT_FOUND", err)
		}
	})
}
