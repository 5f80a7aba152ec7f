package csapi

import (
	"encoding/json"

	"freehold.example/matrix/canon"
)

// Raw is the answer as JSON. Its events are JSON already, and the most of it; encoding/json would look through them again.
func (r *MessagesResponse) Raw() []byte {
	size := len(`{"chunk":[],"end":"","start":"","state":[]}`) + len(r.Start) + len(r.End)
	for _, list := range [][]json.RawMessage{r.Chunk, r.State} {
		for _, e := range list {
			size += len(e) + 1
		}
	}
	b := append(make([]byte, 0, size), `{"start":`...)
	b = canon.AppendString(b, r.Start)
	if r.End != "" {
		b = canon.AppendString(append(b, `,"end":`...), r.End)
	}
	b = appendList(append(b, `,"chunk":`...), r.Chunk)
	if len(r.State) > 0 {
		b = appendList(append(b, `,"state":`...), r.State)
	}
	return append(b, '}')
}

func appendList(b []byte, list []json.RawMessage) []byte {
	b = append(b, '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']')
}
