package spec

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	frameSchema  = "api/client-server/definitions/client_event_without_room_id.yaml"
	eventSchemas = "event-schemas/schema/"
)

// events checks every event in a body, wherever it is.
func (c *check) events(side string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		if typ, ok := v["type"].(string); ok {
			if content, ok := v["content"].(map[string]any); ok {
				if err := c.event(side, typ, v, content); err != nil {
					return err
				}
			}
		}
		for k, e := range v {
			if k == "content" || k == "prev_content" {
				continue // is the client's; events in it would be words
			}
			if err := c.events(side, e); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := c.events(side, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// event checks one event: its frame, if it has an id and so is of a room's history, and its content.
func (c *check) event(side, typ string, event, content map[string]any) error {
	_, stored := event["event_id"]
	if stored {
		frame, err := c.spec.fileSchema(frameSchema, "")
		if err != nil {
			return err
		}
		for _, l := range leaves(frame.Validate(event)) {
			c.report(side, "event"+l.at, l.what)
		}
	}
	if redacted(event) || c.meant != nil && c.meant(content) {
		return nil
	}
	_, state := event["state_key"]
	name, err := c.spec.contentSchemas(typ, content, stored && !state)
	if err != nil {
		return err
	}
	for _, schema := range name {
		for _, l := range leaves(schema.Validate(content)) {
			c.found = append(c.found, Deviation{"event " + typ, side, "/content" + l.at, l.what + " (" + c.name + ")"})
		}
	}
	return nil
}

// redacted says that the content was taken away: what is left is no more what the type asks for.
func redacted(event map[string]any) bool {
	unsigned, _ := event["unsigned"].(map[string]any)
	_, yes := unsigned["redacted_because"]
	return yes
}

// contentSchemas are those of a type's content: of the type, and of its variant by msgtype or method. message says that
// the event is a message; a message of a type that is for state says nothing.
func (s *Spec) contentSchemas(typ string, content map[string]any, message bool) (all []*jsonschema.Schema, err error) {
	files := []string{typ}
	for _, key := range []string{"msgtype", "method"} {
		if variant, ok := content[key].(string); ok {
			files = append(files, typ+"$"+variant)
		}
	}
	for _, f := range files {
		if !fileName.MatchString(f) {
			continue
		}
		if message {
			key, err := s.fileSchema(eventSchemas+f+".yaml", "/properties/state_key")
			if err != nil {
				return nil, err
			}
			if key != nil {
				continue
			}
		}
		schema, err := s.fileSchema(eventSchemas+f+".yaml", "/properties/content")
		if err != nil {
			return nil, err
		}
		if schema != nil {
			all = append(all, schema)
		}
	}
	return all, nil
}
