package server

import (
	"encoding"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// ErrUsage is wrapped by errors of Load that are answered with the list of flags.
var ErrUsage = errors.New("usage")

const envPrefix = "FREEHOLD_"

// Sources is where settings come from: flags and the environment, and the file that one of them names.
type Sources struct {
	File       string // "" for none
	given, env map[string]string
}

// ReadSources reads flags and the environment (as in os.Environ), and no file yet.
func ReadSources(args, environ []string) (Sources, error) {
	s := Sources{given: map[string]string{}, env: map[string]string{}}
	flags := flag.NewFlagSet("freehold serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for _, key := range append([]string{"config"}, Keys()...) {
		flags.Func(strings.ReplaceAll(key, "_", "-"), "", func(v string) error { s.given[key] = v; return nil })
	}
	if err := flags.Parse(args); err != nil {
		return s, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%w: there is nothing to do with %q", ErrUsage, flags.Arg(0))
	}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if key, ok := strings.CutPrefix(name, envPrefix); ok {
			s.env[strings.ToLower(key)] = value
		}
	}
	path, fromFlag := s.given["config"]
	if !fromFlag {
		path = s.env["config"]
	}
	s.File = path
	return s, nil
}

// Pinned gives the value of a setting that a flag or the environment has, whatever the file says.
func (s Sources) Pinned(key string) (value string, ok bool) {
	if value, ok = s.given[key]; !ok {
		value, ok = s.env[key]
	}
	return value, ok
}

// Given is all that flags and the environment say, by the keys of the settings. Where the file is, is not one of them.
func (s Sources) Given() map[string]string {
	all := map[string]string{}
	for _, key := range Keys() {
		if v, ok := s.Pinned(key); ok {
			all[key] = v
		}
	}
	return all
}

// With is the same file, with this instead of what flags and the environment say.
func (s Sources) With(given map[string]string) Sources {
	return Sources{File: s.File, env: given}
}

// Config makes the configuration of the text of a file, which is called name, with what flags and the environment say
// instead. What is not said has its default. The result has been checked, and is there also when that fails.
func (s Sources) Config(name string, text []byte) (Config, error) {
	c := Defaults()
	if err := c.read(name, text); err != nil {
		return c, err
	}
	keys := Keys()
	for _, key := range keys {
		if v, ok := s.env[key]; ok {
			if err := c.set(key, v); err != nil {
				return c, fmt.Errorf("%s%s: %w", envPrefix, strings.ToUpper(key), err)
			}
		}
	}
	for _, key := range keys {
		if v, ok := s.given[key]; ok {
			if err := c.set(key, v); err != nil {
				return c, fmt.Errorf("--%s: %w", strings.ReplaceAll(key, "_", "-"), err)
			}
		}
	}
	return c, c.Check()
}

// Load makes the configuration from flags, the environment and the file that one of them names, as it is.
func Load(args, environ []string) (Config, error) {
	s, err := ReadSources(args, environ)
	if err != nil {
		return Defaults(), err
	}
	var text []byte
	if s.File != "" {
		if text, err = os.ReadFile(s.File); err != nil {
			return Defaults(), fmt.Errorf("configuration: %w", err)
		}
	}
	return s.Config(s.File, text)
}

// UnknownEnv lists variables that begin with FREEHOLD_ and mean nothing: most likely a slip of the pen.
func UnknownEnv(environ []string) []string {
	var unknown []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		if ours && key != "CONFIG" && !slices.Contains(Keys(), strings.ToLower(key)) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// read takes the settings of the text of a file.
func (c *Config) read(name string, text []byte) error {
	meta, err := toml.Decode(string(text), c)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("%s: there is no setting %s", name, unknown[0])
	}
	return nil
}

// Keys lists the settings that can be given as a variable or a flag, in the order of Config.
func Keys() []string {
	var keys []string
	t := reflect.TypeFor[Config]()
	for field := range t.Fields() {
		if key := field.Tag.Get("toml"); key != "-" && field.Type.Kind() != reflect.Map {
			keys = append(keys, key)
		}
	}
	return keys
}

// set gives the setting its value from text.
func (c *Config) set(key, text string) error {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("toml") == key {
			return setText(v.Field(i), text)
		}
	}
	return errors.New("there is no such setting")
}

func setText(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil && text != "" {
			return fmt.Errorf("%q is not a duration such as 30s or 72h", text)
		}
		*p = d
		return nil
	case encoding.TextUnmarshaler:
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Slice:
		list := reflect.MakeSlice(v.Type(), 0, 0)
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
			e := reflect.New(v.Type().Elem()).Elem()
			if err := setText(e, part); err != nil {
				return err
			}
			list = reflect.Append(list, e)
		}
		v.Set(list)
		return nil
	}
	return errors.New("bug: a setting of this type cannot be given as text")
}
