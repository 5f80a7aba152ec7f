package pushrule

import (
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Bounds of what is looked at in an event. What lies beyond matches nothing.
const (
	maxFields  = 4096
	maxNesting = 32
)

// Event is an event, flattened for Program.On. It is for one goroutine at a time.
type Event struct {
	fields   map[string]*field
	sender   id.User
	stateKey id.User // if it is one
	body     *text   // content.body, nil when it is no string
	mentions bool    // it says itself whom it mentions: m.mentions is there

	mentioned map[string]struct{} // content.m.mentions.user_ids
}

// field is one property of the event.
type field struct {
	raw    []byte // canonical JSON
	folded *text  // made when first asked for; strings only
}

// Flatten takes an event apart: type, sender, room_id, state_key (nil for none), and everything in content, which is
// canonical JSON.
func Flatten(typ string, sender id.User, room id.Room, stateKey *string, content []byte) *Event {
	e := &Event{fields: make(map[string]*field, 16), sender: sender}
	e.put("type", canon.AppendString(nil, typ))
	e.put("sender", canon.AppendString(nil, sender))
	e.put("room_id", canon.AppendString(nil, room))
	if stateKey != nil {
		e.stateKey = id.User(*stateKey)
		e.put("state_key", canon.AppendString(nil, *stateKey))
	}
	e.object(append(make([]byte, 0, 64), "content"...), content, 0)
	if f := e.fields["content.body"]; f != nil {
		e.body = f.text()
	}
	mentions := canon.Get(content, "m.mentions")
	e.mentions = len(mentions) > 0 && mentions[0] == '{'
	for a := canon.OpenArray(canon.Get(mentions, "user_ids")); ; {
		v, ok := a.Next()
		if !ok {
			return e
		}
		if u, ok := canon.String(v); ok {
			if e.mentioned == nil {
				e.mentioned = map[string]struct{}{}
			}
			e.mentioned[u] = struct{}{}
		}
	}
}

func (e *Event) put(key string, raw []byte) { e.fields[key] = &field{raw: raw} }

func (e *Event) object(path, object []byte, depth int) {
	if depth == maxNesting {
		return
	}
	for o := canon.Open(object); len(e.fields) < maxFields; {
		m, ok := o.Next()
		if !ok || len(m.Value()) == 0 {
			return
		}
		name, ok := canon.String(quoted(m))
		if !ok {
			return
		}
		below := canon.AppendPath(path, name)
		if m.Value()[0] == '{' {
			e.object(below, m.Value(), depth+1)
			continue
		}
		e.put(string(below), m.Value())
	}
}

// quoted is the member's key with its quotation marks.
func quoted(m canon.Member) []byte { return m.Raw()[:len(m.Key())+2] }

// text is the value as text, or nil when it is no string.
func (f *field) text() *text {
	if f.folded == nil {
		s, ok := canon.String(f.raw)
		if !ok {
			return nil
		}
		f.folded = &text{s: strings.ToLower(s)}
	}
	return f.folded
}
