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

// Load makes the configuration from flags, the environment (as in os.Environ) and the file that one of them names. What
// is not said has its default. The result has been checked.
func Load(args, environ []string) (Config, error) {
	c := Defaults()
	keys := Keys()

	given := map[string]string{}
	flags := flag.NewFlagSet("freehold serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	for _, key := range append([]string{"config"}, keys...) {
		flags.Func(strings.ReplaceAll(key, "_", "-"), "", func(v string) error { given[key] = v; return nil })
	}
	if err := flags.Parse(args); err != nil {
		return c, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("%w: there is nothing to do with %q", ErrUsage, flags.Arg(0))
	}

	env := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if key, ok := strings.CutPrefix(name, envPrefix); ok {
			env[strings.ToLower(key)] = value
		}
	}

	path, fromFlag := given["config"]
	if !fromFlag {
		path = env["config"]
	}
	if path != "" {
		if err := c.readFile(path); err != nil {
			return c, err
		}
	}
	for _, key := range keys {
		if v, ok := env[key]; ok {
			if err := c.set(key, v); err != nil {
				return c, fmt.Errorf("%s%s: %w", envPrefix, strings.ToUpper(key), err)
			}
		}
	}
	for _, key := range keys {
		if v, ok := given[key]; ok {
			if err := c.set(key, v); err != nil {
				return c, fmt.Errorf("--%s: %w", strings.ReplaceAll(key, "_", "-"), err)
			}
		}
	}
	return c, c.Check()
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

func (c *Config) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	meta, err := toml.NewDecoder(f).Decode(c)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("%s: there is no setting %s", path, unknown[0])
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
