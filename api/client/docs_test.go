package client_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"freehold.example/api/client"
	"freehold.example/base/route"
	"freehold.example/core/media"
)

var rewrite = flag.Bool("rewrite", false, "write the generated documents instead of comparing them")

// spec is the list of the specification's endpoints; it is not part of this repository.
const spec = "../../../shared/matrix-spec/endpoints.tsv"

func rows(t *testing.T) []route.Info {
	t.Helper()
	m, err := media.New(media.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api := client.New(client.Config{Media: m, LegacyMedia: true})
	table, err := route.New(route.Config[client.Call]{Rows: api.Rows(), Guard: api.Guard})
	if err != nil {
		t.Fatal(err)
	}
	list := table.Rows()
	slices.SortStableFunc(list, func(a, b route.Info) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return list
}

func compare(t *testing.T, path, want string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: run make gen", path)
	}
}

// docs/routes.md lists what is served, by whom, how often and how much.
func TestDocsRoutes(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Routes\n\n<!-- Made from the tables of api/ by `make gen`. -->\n\n" +
		"What the client listener serves. *Caller*: who may call it (none: anybody; optional: anybody, but a token that is sent must\n" +
		"be good; user; admin). *Limit*: which of the caller's buckets it is counted in (docs/config.md). *Body*: the largest\n" +
		"body in KiB. Every path under `/_matrix/client/v3` is served under `/_matrix/client/r0` too. Downloads below\n`/_matrix/media` need a token unless legacy_media = \"on\".\n\n" +
		"| method | path | caller | limit | body |\n|---|---|---|---|---|\n")
	for _, r := range rows(t) {
		body := ""
		if r.Method != "GET" {
			body = fmt.Sprint(r.Body >> 10)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Method, r.Path, r.Auth, r.Limit, body)
	}
	compare(t, "../../docs/routes.md", b.String())
}

var named = regexp.MustCompile(`\{[^}]*\}`)

// shape is a path without the names of its segments, which are ours to choose.
func shape(path string) string { return named.ReplaceAllString(path, "{}") }

// docs/coverage.md holds the specification's endpoints against the table: each is served, or is not yet. An endpoint that
// is served asks for a token where the specification does.
func TestDocsCoverage(t *testing.T) {
	text, err := os.ReadFile(spec)
	if os.IsNotExist(err) {
		t.Skip("the specification is not on this machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]route.Info{}
	for _, r := range rows(t) {
		served[r.Method+" "+shape(r.Path)] = r
		if strings.HasSuffix(r.Path, "?}") {
			served[r.Method+" "+shape(r.Path[:strings.LastIndexByte(r.Path, '/')])] = r
		}
	}
	var done, missing []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		f := strings.Split(line, "\t")
		if f[0] != "client-server" {
			continue
		}
		f[2] = strings.TrimSpace(f[2]) // some have a space at the end
		entry := fmt.Sprintf("| %s | `%s` | %s |\n", f[1], f[2], f[5])
		r, ok := served[f[1]+" "+shape(f[2])]
		if !ok {
			missing = append(missing, entry)
			continue
		}
		done = append(done, entry)
		if r.Path == "/_matrix/client/versions" {
			continue // the token is optional, which the list does not say
		}
		if wants := strings.Contains(f[3], "accessTokenBearer"); wants && r.Auth == route.None {
			t.Errorf("%s %s: the specification asks for a token, the table does not", r.Method, r.Path)
		} else if f[3] == "-" && r.Auth > route.Optional {
			t.Errorf("%s %s: the table asks for a token, the specification does not", r.Method, r.Path)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Coverage of the Client-Server API v1.19\n\n<!-- Made by `make gen` from the table of api/client and the specification. -->\n\n"+
		"%d of %d operations are served.\n", len(done), len(done)+len(missing))
	for _, part := range []struct {
		title string
		list  []string
	}{{"Not served", missing}, {"Served", done}} {
		if len(part.list) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n| method | path | operation |\n|---|---|---|\n%s", part.title, strings.Join(part.list, ""))
		}
	}
	compare(t, "../../docs/coverage.md", b.String())
}
