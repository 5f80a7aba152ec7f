package handshake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// incoming is an answer of which the members in lists are lists of events of a room, which are parsed while the rest is still on
// its way; those that cannot be read, or are of another room, are left out. Its other members are decoded into what rest has for them.
type incoming struct {
	version *version.Version
	room    id.Room
	lists   map[string]*[]*event.Event
	rest    map[string]any
}

// atATime is how many events are parsed in one go.
const atATime = 256

var errTooMany = fmt.Errorf("there are more than %d events", maxState)

func (in *incoming) read(r io.Reader) error {
	d := json.NewDecoder(r)
	var wg sync.WaitGroup
	defer wg.Wait()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, errors.New("it is no object"))
	}
	parts := map[string][][]*event.Event{}
	n := 0
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := name.(string)
		if in.lists[key] == nil {
			into := in.rest[key]
			if into == nil {
				into = new(json.RawMessage)
			}
			if err := d.Decode(into); err != nil {
				return err
			}
			continue
		}
		err = each(d, func(some []json.RawMessage) error {
			if n += len(some); n > maxState {
				return errTooMany
			}
			events := make([]*event.Event, len(some))
			parts[key] = append(parts[key], events)
			wg.Go(func() {
				for i, raw := range some {
					if e, err := event.Parse(in.version, raw); err == nil && e.Room() == in.room {
						events[i] = e
					}
				}
			})
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.Join(err, errors.New("something follows it"))
	}
	wg.Wait()
	for key, list := range in.lists {
		*list = slices.DeleteFunc(slices.Concat(parts[key]...), func(e *event.Event) bool { return e == nil })
	}
	return nil
}

// each gives the members of a list, some at a time.
func each(d *json.Decoder, give func([]json.RawMessage) error) error {
	t, err := d.Token()
	if err != nil || t == nil { // null is an empty one
		return err
	}
	if t != json.Delim('[') {
		return errors.New("it is no list")
	}
	for d.More() {
		some := make([]json.RawMessage, 0, atATime)
		for len(some) < atATime && d.More() {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				return err
			}
			some = append(some, raw)
		}
		if err := give(some); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
