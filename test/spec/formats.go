package spec

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// formats are what the appendices of the specification say of identifiers, written anew here: the server's own parsers
// must not be what the server is measured with.
func formats() map[string]*regexp.Regexp {
	const server = `(?:[0-9A-Za-z.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?`
	return map[string]*regexp.Regexp{
		"mx-user-id":                 regexp.MustCompile(`^@[!-9;-~]*:` + server + `$`),
		"mx-event-id":                regexp.MustCompile(`^\$(?:[A-Za-z0-9_-]{43}|[^\s:]+:` + server + `|[A-Za-z0-9+/]{43})$`),
		"mx-room-id":                 regexp.MustCompile(`^!(?:[A-Za-z0-9_-]{43}|[^\x00:]+:` + server + `)$`),
		"mx-room-alias":              regexp.MustCompile(`^#[^\x00:]+:` + server + `$`),
		"mx-server-name":             regexp.MustCompile(`^` + server + `$`),
		"mx-mxc-uri":                 regexp.MustCompile(`^mxc://` + server + `/[A-Za-z0-9_-]+$`),
		"mx-unpadded-base64":         regexp.MustCompile(`^[A-Za-z0-9+/]*$`),
		"mx-urlsafe-unpadded-base64": regexp.MustCompile(`^[A-Za-z0-9_-]*$`),
	}
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020) // what OpenAPI 3.1 says
	c.AssertFormat()
	for name, form := range formats() {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
			if s, ok := v.(string); ok && !form.MatchString(s) {
				return fmt.Errorf("it has another form")
			}
			return nil
		}})
	}
	c.RegisterFormat(&jsonschema.Format{Name: "int64", Validate: func(v any) error {
		if n, ok := v.(json.Number); ok {
			_, err := n.Int64()
			return err
		}
		return nil
	}})
	return c
}
