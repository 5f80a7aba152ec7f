package server

import (
	_ "embed"
	"encoding"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"time"

	"freehold.example/base/limit"
)

//go:embed config.go
var configSource string

// Setting describes a setting for people.
type Setting struct {
	Key     string // as in the file
	Doc     string // the comment at its field
	Default string
}

// Settings lists every setting in the order of Config. The texts are the comments of this package's own source.
func Settings() []Setting {
	docs := fieldDocs()
	defaults := reflect.ValueOf(Defaults())
	var list []Setting
	for i := range defaults.NumField() {
		f := defaults.Type().Field(i)
		key := f.Tag.Get("toml")
		if key == "-" || f.Type.Kind() == reflect.Map {
			continue
		}
		list = append(list, Setting{Key: key, Doc: docs[f.Name], Default: show(defaults.Field(i))})
	}
	return list
}

func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case encoding.TextMarshaler:
		text, _ := x.MarshalText()
		return strings.ToLower(string(text))
	}
	if v.Kind() == reflect.Slice {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// fieldDocs reads the comments of Config's fields.
func fieldDocs() map[string]string {
	docs := map[string]string{}
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", configSource, parser.ParseComments)
	if err != nil {
		return docs
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				docs[name.Name] = strings.TrimSpace(f.Doc.Text())
			}
		}
		return false
	})
	return docs
}

// Reference is docs/config.md: every setting, what it means and what it is when nobody says.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range Settings() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", s.Key, s.Doc)
		if s.Default != "" {
			fmt.Fprintf(&b, "Default: `%s`. ", s.Default)
		}
		fmt.Fprintf(&b, "Also `%s%s`, `--%s`.\n", envPrefix, strings.ToUpper(s.Key), strings.ReplaceAll(s.Key, "_", "-"))
	}
	b.WriteString(referenceLimits)
	for _, n := range limit.Names() {
		r, by := (limit.Config{}).Rate(n), ""
		if n.PerDevice() {
			by = "device"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s |\n", n, r.Burst, r.Every, by, n.Doc())
	}
	return b.String()
}

var referenceHead = `# Settings

<!-- Made from server/config.go by ` + "`make gen`" + `. -->

Every setting has a working default: without any, the server runs on http://localhost:8008 and keeps its data in
` + "`./freehold-data`" + `. A setting is a key of a TOML file (named by ` + "`FREEHOLD_CONFIG` or `--config`" + `), an environment variable, or
a flag. A flag wins over the environment, the environment over the file. A key that is not one of these is an error. What
cannot be used does not keep a server from starting that has run before ([standing-alone.md](standing-alone.md)).
`

var referenceLimits = `
## ` + "`[limits]`" + `

In the file only. How often something may be done: ` + strconv.Quote("burst") + ` at once and one more after each ` + strconv.Quote("every") + `. What is more is answered
429 with ` + "`Retry-After`" + ` and ` + "`retry_after_ms`" + `. Requests of people who are signed in are counted by account, all others by address (of
IPv6 by /64). Where the table says *device* the numbers are those of one device, and all the devices of an account may do
twice as much together. The names are those of the routes' limits (docs/routes.md). Counting takes some 8 MB of memory at
most. What is not named in the file keeps its default:

    [limits.login]
    burst = 60
    every = "1s"

| name | burst | every | by | what |
|---|---|---|---|---|
`
