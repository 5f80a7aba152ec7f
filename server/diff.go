package server

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"freehold.example/api/change"
	"freehold.example/base/limit"
)

// secrets are settings that are never shown.
var secrets = map[string]bool{"database_url": true, "registration_shared_secret": true, "turn_secret": true}

// machineOnly are settings that an administrator cannot change over the network: what the server is, which files of the
// machine it reads, where it keeps what, which addresses it may contact, and who can be anybody.
var machineOnly = map[string]bool{
	"server_name": true, "data_dir": true, "database_url": true, "tls_cert": true, "tls_key": true, "tls_ca": true, "appservices_dir": true,
	"inside_networks": true, "registration_shared_secret": true, "password_hashing": true, "clock_offset": true,
}

// OfMachine says whether a setting belongs to the machine, or is a secret of it: who changes settings over the network need not
// know it.
func OfMachine(key string) bool { return machineOnly[key] || secrets[key] }

// Differences lists the settings that two configurations differ in, in the order of Config.
func Differences(from, to *Config) []change.Setting {
	list := []change.Setting{}
	a, b := reflect.ValueOf(from).Elem(), reflect.ValueOf(to).Elem()
	for i := range a.NumField() {
		key := a.Type().Field(i).Tag.Get("toml")
		x, y := a.Field(i), b.Field(i)
		switch {
		case key == "-":
		case key == "limits":
			list = append(list, limitDifferences(from, to)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()) && (x.Kind() != reflect.Slice || x.Len()+y.Len() > 0):
			list = append(list, change.Setting{Key: key, From: spoken(key, x), To: spoken(key, y), Machine: machineOnly[key]})
		}
	}
	return list
}

func limitDifferences(from, to *Config) (list []change.Setting) {
	x, _ := from.limits() // its error is found by Check
	y, _ := to.limits()
	if x.Off || y.Off { // said by rate_limits
		x.Off, y.Off = false, false
	}
	text := func(r limit.Rate) string { return fmt.Sprintf("burst %d, every %v", r.Burst, r.Every) }
	names := maps.Clone(x.Rates)
	maps.Copy(names, y.Rates)
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if a, b := text(x.Rate(n)), text(y.Rate(n)); a != b {
			list = append(list, change.Setting{Key: "limits." + n.String(), From: a, To: b})
		}
	}
	return list
}

// spoken is a value for people.
func spoken(key string, v reflect.Value) string {
	if v.IsZero() && v.Kind() == reflect.String {
		return "(empty)"
	}
	if secrets[key] {
		return "(a secret)"
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err == nil {
			return string(text)
		}
	}
	if v.Kind() == reflect.Slice {
		if v.Len() == 0 {
			return "(none)"
		}
		if text, err := json.Marshal(v.Interface()); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}
