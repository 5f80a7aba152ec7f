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

	"freehold.example/api/admin"
	"freehold.example/api/client"
	"freehold.example/api/federation"
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
	return sorted(t, client.New(client.Config{Media: m, LegacyMedia: true}).Rows())
}

// sorted describes rows in the order of their paths.
func sorted(t *testing.T, rows []route.Row[client.Call]) []route.Info {
	t.Helper()
	table, err := route.New(route.Config[client.Call]{Rows: rows, Guard: new(client.API).Guard})
	if err != nil {
		t.Fatal(err)
	}
	return inOrder(table.Rows())
}

// forServers are the rows of the listener for other servers.
func forServers(t *testing.T) []route.Info {
	t.Helper()
	a := federation.New(federation.Config{})
	table, err := route.New(route.Config[federation.Call]{Rows: a.Rows(), Guard: a.Guard, Signed: a.Signed})
	if err != nil {
		t.Fatal(err)
	}
	return inOrder(table.Rows())
}

func inOrder(list []route.Info) []route.Info {
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
		"body in KiB. Every path under `/_matrix/client/v3` is served under `/_matrix/client/r0` too, and those under\n`/_matrix/media/v3` under `/_matrix/media/r0`. Downloads below `/_matrix/media` need a token unless\nlegacy_media = \"on\".\n\n" +
		"| method | path | caller | limit | body |\n|---|---|---|---|---|\n")
	list := func(rows []route.Info) {
		for _, r := range rows {
			body := ""
			if r.Method != "GET" {
				body = fmt.Sprint(r.Body >> 10)
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Method, r.Path, r.Auth, r.Limit, body)
		}
	}
	list(rows(t))
	b.WriteString("\n## Administration\n\nSee [administration.md](administration.md). Whatever changes something, and whatever shows what is private, is written\n" +
		"down before it is done.\n\n| method | path | caller | limit | body |\n|---|---|---|---|---|\n")
	list(sorted(t, admin.Rows(&admin.API{}, func(*client.Call) admin.By { return admin.By{} })))
	b.WriteString("\n## Other servers\n\nWhat the listener for other servers serves. *Caller*: server, who has signed the request; none, anybody.\n\n" +
		"| method | path | caller | limit | body |\n|---|---|---|---|---|\n")
	list(forServers(t))
	compare(t, "../../docs/routes.md", b.String())
}

var named = regexp.MustCompile(`\{[^}]*\}`)

// shape is a path without the names of its segments, which are ours to choose.
func shape(path string) string { return named.ReplaceAllString(path, "{}") }

// refused are the endpoints that are there to say that this server has not what they are about, as the specification says
// of such a server.
var refused = map[string]string{
	"GET /_matrix/client/v1/auth_metadata":                         "people sign in by the legacy API: 404 M_UNRECOGNIZED",
	"GET /_matrix/client/v3/login/sso/redirect":                    "no sign-in through others (`GET /login` does not list it): 404 M_UNRECOGNIZED, for browsers a page",
	"GET /_matrix/client/v3/login/sso/redirect/{idpId}":            "the same",
	"POST /_matrix/client/v3/account/3pid":                         "no e-mail addresses and telephone numbers (m.3pid_changes is off): 403 M_FORBIDDEN",
	"POST /_matrix/client/v3/account/3pid/add":                     "the same",
	"POST /_matrix/client/v3/account/3pid/bind":                    "the same",
	"POST /_matrix/client/v3/account/3pid/email/requestToken":      "no e-mail: 400 M_THREEPID_MEDIUM_NOT_SUPPORTED",
	"POST /_matrix/client/v3/account/3pid/msisdn/requestToken":     "no telephone: 400 M_THREEPID_MEDIUM_NOT_SUPPORTED",
	"POST /_matrix/client/v3/account/password/email/requestToken":  "no account has the address: 400 M_THREEPID_NOT_FOUND",
	"POST /_matrix/client/v3/account/password/msisdn/requestToken": "no account has the number: 400 M_THREEPID_NOT_FOUND",
	"POST /_matrix/client/v3/register/email/requestToken":          "nobody registers with an address: 403 M_THREEPID_DENIED",
	"POST /_matrix/client/v3/register/msisdn/requestToken":         "nobody registers with a number: 403 M_THREEPID_DENIED",
}

// notHere are the endpoints for other servers that this one does not have, as the specification lets it.
var notHere = map[string]string{
	"POST /_matrix/policy/v1/sign": "this server is no policy server: 404 M_UNRECOGNIZED",
}

// asked are the endpoints of application services, which this server calls. That it does, and as the specification has it, is
// what test/conformance demands at its end, of every one.
var asked = map[string]string{
	"PUT /_matrix/app/v1/transactions/{txnId}":           "what happened",
	"POST /_matrix/app/v1/ping":                          "whether the service is there, when it asks to be asked",
	"GET /_matrix/app/v1/users/{userId}":                 "a user that nobody has heard of",
	"GET /_matrix/app/v1/rooms/{roomAlias}":              "an alias that nobody has heard of",
	"GET /_matrix/app/v1/thirdparty/protocol/{protocol}": "a network",
	"GET /_matrix/app/v1/thirdparty/user":                "who a user is in the networks",
	"GET /_matrix/app/v1/thirdparty/user/{protocol}":     "users in a network",
	"GET /_matrix/app/v1/thirdparty/location":            "which places of the networks an alias is",
	"GET /_matrix/app/v1/thirdparty/location/{protocol}": "places in a network",
}

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
	for _, r := range slices.Concat(rows(t), forServers(t)) {
		served[r.Method+" "+shape(r.Path)] = r
		if strings.HasSuffix(r.Path, "?}") {
			served[r.Method+" "+shape(r.Path[:strings.LastIndexByte(r.Path, '/')])] = r
		}
	}
	var done, missing, no, calls, peers []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		f := strings.Split(line, "\t")
		f[2] = strings.TrimSpace(f[2]) // some have a space at the end
		entry := fmt.Sprintf("| %s | `%s` | %s |\n", f[1], f[2], f[5])
		switch why := asked[f[1]+" "+f[2]]; {
		case f[0] == "application-service" && why == "":
			missing = append(missing, entry)
			continue
		case f[0] == "application-service":
			calls = append(calls, strings.TrimSuffix(entry, "\n")+" "+why+" |\n")
			continue
		case f[0] == "server-server":
			why := notHere[f[1]+" "+f[2]]
			r, ok := served[f[1]+" "+shape(f[2])]
			switch {
			case why != "":
				peers = append(peers, strings.TrimSuffix(entry, "\n")+" no: "+why+" |\n")
			case !ok:
				missing = append(missing, entry)
			default:
				peers = append(peers, strings.TrimSuffix(entry, "\n")+" yes |\n")
			}
			if signed := f[3] == "signedRequest"; ok && signed != (r.Auth == route.Server) && f[3] != "accessToken" {
				t.Errorf("%s %s: the specification and the table disagree whether it is signed", r.Method, r.Path)
			}
			continue
		case f[0] != "client-server":
			continue
		}
		r, ok := served[f[1]+" "+shape(f[2])]
		if !ok {
			missing = append(missing, entry)
			continue
		}
		if why := refused[f[1]+" "+f[2]]; why != "" {
			no = append(no, strings.TrimSuffix(entry, "\n")+" "+why+" |\n")
		} else {
			done = append(done, entry)
		}
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
	fmt.Fprintf(&b, "# Coverage of the Client-Server and Server-Server APIs v1.19\n\n<!-- Made by `make gen` from the tables of api/client and api/federation and the specification. -->\n\n"+
		"%d of %d operations for clients are answered: %d are served, %d refused as the specification says of a server without what they are about.\n",
		len(done)+len(no), len(done)+len(no)+len(missing), len(done), len(no))
	const head, line = "| method | path | operation |", "|---|---|---|"
	for _, part := range []struct {
		title, head string
		list        []string
	}{{"Without an answer", head + "\n" + line, missing}, {"Refused", head + " why |\n" + line + "---|", no}, {"Served", head + "\n" + line, done}, {"For other servers", head + " served |\n" + line + "---|", peers}, {"Asked of application services", head + " for |\n" + line + "---|", calls}} {
		if len(part.list) > 0 {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n%s", part.title, part.head, strings.Join(part.list, ""))
		}
	}
	if len(no) != len(refused) {
		t.Errorf("of the endpoints that are refused %d are in the table, %d are listed", len(no), len(refused))
	}
	if len(calls) != len(asked) {
		t.Errorf("of the endpoints of application services %d are in the specification, %d are listed", len(calls), len(asked))
	}
	compare(t, "../../docs/coverage.md", b.String())
}
