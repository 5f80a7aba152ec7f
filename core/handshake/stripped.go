package handshake

import (
	"encoding/json"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// The bounds of the state that comes with an invitation or a knock.
const (
	maxStripped      = 100
	maxStrippedBytes = 256 << 10
)

// stripped is what a user is shown of a room that lives elsewhere, from the state that came with an invitation or the answer to
// a knock: whole events, or as older servers send them stripped ones. What is neither is left out.
func stripped(v *version.Version, in id.Room, state []json.RawMessage) []json.RawMessage {
	var out []json.RawMessage
	size := 0
	for _, raw := range state[:min(len(state), maxStripped)] {
		one := strip(v, in, raw)
		if size += len(one); one == nil || size > maxStrippedBytes {
			continue
		}
		out = append(out, one)
	}
	return out
}

func strip(v *version.Version, in id.Room, raw []byte) json.RawMessage {
	if e, err := event.Parse(v, raw); err == nil {
		if _, state := e.StateKey(); !state || e.Room() != in {
			return nil
		}
		return e.AppendStripped(nil)
	}
	var s struct {
		Type     string          `json:"type"`
		StateKey *string         `json:"state_key"`
		Sender   string          `json:"sender"`
		Content  json.RawMessage `json:"content"`
	}
	if json.Unmarshal(raw, &s) != nil || s.Type == "" || s.StateKey == nil || len(s.Content) == 0 || s.Content[0] != '{' {
		return nil
	}
	if _, err := id.ParseUser(s.Sender); err != nil {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	b, err = canon.Canonical(b, canon.Unique)
	if err != nil {
		return nil
	}
	return b
}
