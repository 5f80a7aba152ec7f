package archive

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
)

var columns = &sqldb.Table{Name: "t", Columns: []sqldb.Field{
	{Name: "i", Type: "BIGINT"}, {Name: "s", Type: "TEXT"}, {Name: "b", Type: "BYTEA"}, {Name: "f", Type: "BOOLEAN"},
}}

func TestRows(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, row := range [][]any{
		{nil, nil, nil, nil},
		{int64(math.MaxInt64), "", []byte{}, true},
		{int64(math.MinInt64), "a\x00b\"\\\n\r\t\x1f\x7f\u2028\ufffd𝄞</script>", []byte("{\"type\":\"m.room.message\"}"), false},
		{int64(0), "no UTF-8: \xff", all, true},
		{int64(1), "{}", []byte("null"), true},
	} {
		line, err := appendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(line) {
			t.Errorf("%q is no JSON", line)
		}
		got, err := parseRow(line, columns)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(row, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestBadRows(t *testing.T) {
	for _, line := range []string{
		"", "[", "{}", "[]", "[1,\"\",\"\"]", "[1,\"\",\"\",true,1]", "[1.5,\"\",\"\",true]", "[1e3,\"\",\"\",true]",
		"[\"1\",\"\",\"\",true]", "[1,2,\"\",true]", "[1,\"\",{},true]", "[1,\"\",{\"base64\":\"?\"},true]", "[1,\"\",\"\",1]",
		"[9223372036854775808,\"\",\"\",true]",
	} {
		if row, err := parseRow([]byte(line), columns); err == nil {
			t.Errorf("%s: got %v, want an error", line, row)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add(int64(1), "text", []byte{255}, true)
	f.Fuzz(func(t *testing.T, i int64, s string, b []byte, flag bool) {
		if b == nil {
			b = []byte{}
		}
		row := []any{i, s, b, flag}
		line, err := appendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseRow(line, columns)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if diff := cmp.Diff(row, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
