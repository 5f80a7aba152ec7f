package keep

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"freehold.example/base/durable"
)

// Flags and the environment win over every configuration, so they are part of what the server was good with. What they said
// when it last served is kept beside the configurations, for a start at which they say something that cannot be used.

// homeKey is the setting that says where it is kept: who starts the server is believed in that.
const homeKey = "data_dir"

func (k *keeper) givenPath() string { return filepath.Join(k.home, "config", "given.json") }

// given is what flags and the environment say.
func (k *keeper) given() map[string]string {
	all := k.source().Given()
	delete(all, homeKey)
	return all
}

// lastGiven is what they said when the server last served; nil where that was never written down.
func (k *keeper) lastGiven() (last map[string]string, err error) {
	b, err := os.ReadFile(k.givenPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &last)
	}
	if err != nil {
		return nil, err
	}
	return last, nil
}

// keepGiven writes down what they say. There are secrets in it, as in the configurations.
func (k *keeper) keepGiven() error {
	now := k.given()
	if last, err := k.lastGiven(); err == nil && last != nil && maps.Equal(last, now) {
		return nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return durable.WriteFile(k.givenPath(), b, 0o600)
}
