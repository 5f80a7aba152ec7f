package csapi

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMessagesRaw: the answer is what encoding/json makes of it.
func TestMessagesRaw(t *testing.T) {
	for _, r := range []MessagesResponse{
		{Start: "t1-2", Chunk: []json.RawMessage{}},
		{Start: "a\"b", End: "e", Chunk: []json.RawMessage{json.RawMessage(`{"a":1}`)}},
		{Start: "s", End: "e", Chunk: []json.RawMessage{json.RawMessage(`1`), json.RawMessage(`"x"`)}, State: []json.RawMessage{json.RawMessage(`{}`)}},
	} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(want, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(r.Raw(), &b); err != nil {
			t.Fatalf("%s: %v", r.Raw(), err)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s: (-encoding/json +Raw)\n%s", r.Raw(), diff)
		}
	}
}
