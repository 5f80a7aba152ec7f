package freehold_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Everything that leaves the machine goes through base/dial (D9), or the offline budget would not be the whole truth. These
// are the names by which a Go program goes out by itself.
var waysOut = map[string][]string{
	"net": {
		"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialUnix", "DialIP", "Dialer", "Resolver", "DefaultResolver",
		"LookupAddr", "LookupCNAME", "LookupHost", "LookupIP", "LookupMX", "LookupNS", "LookupPort", "LookupSRV", "LookupTXT",
		"ResolveIPAddr", "ResolveTCPAddr", "ResolveUDPAddr", "ListenMulticastUDP", "ListenUDP", "ListenIP", "ListenPacket",
	},
	"net/http":   {"Get", "Head", "Post", "PostForm", "Client", "Transport", "DefaultClient", "DefaultTransport"},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
	"syscall":    {"Socket", "Connect", "Sendto", "Sendmsg", "SendmsgN"},

	"golang.org/x/sys/unix": {"Socket", "Connect", "Sendto", "Sendmsg", "SendmsgN"},
}

// packagesOut go out for whoever imports them.
var packagesOut = []string{
	"C", "net/smtp", "net/rpc", "net/rpc/jsonrpc", "log/syslog", "os/exec", "plugin", "golang.org/x/net/proxy", "golang.org/x/net/websocket",
	"github.com/jackc/pgx", "github.com/prometheus/client_golang/prometheus/push",
}

// mayGoOut are the exceptions, each for a use that leads to nobody outside, or to what the server is made of.
var mayGoOut = map[string]string{
	"base/mdns/mdns.go net.ListenMulticastUDP":    "the local network, when the operator wants it (multicast_dns)",
	"base/sqldb/postgres.go github.com/jackc/pgx": "the server's own database, which the budget has a line for",
	"cmd/freehold/backup.go http.Client":          "the admin socket",
	"cmd/freehold/backup.go http.Transport":       "the admin socket",
	"cmd/freehold/config.go http.Client":          "this server's own listener, or the way to it that the operator names",
	"cmd/freehold/config.go http.Transport":       "the same",
	"cmd/freehold/prompt.go os/exec":              "the terminal",
	"cmd/freehold/user.go http.Client":            "the admin socket",
	"cmd/freehold/user.go http.Transport":         "the admin socket",
	"server/doctor/directory.go http.Transport":   "this server's own listener on this machine, from another process",
	"server/keep/door.go http.Transport":          "within this process",
	"server/keep/start.go http.Transport":         "this server's own listener on this machine",
	"server/run.go net.Dialer":                    "the admin socket",
}

// goesOut lists where a file goes out by itself, as "line: name".
func goesOut(f *file) (found []string) {
	named := map[string]string{} // how the file calls a package, and its path
	report := func(at token.Pos, what string) {
		if _, ok := mayGoOut[f.path+" "+what]; !ok {
			found = append(found, fmt.Sprintf("%s: %s", f.at(at), what))
		}
	}
	for _, spec := range f.ast.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		for _, bad := range packagesOut {
			if path == bad || strings.HasPrefix(path, bad+"/") {
				report(spec.Pos(), bad)
			}
		}
		if waysOut[path] == nil {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			report(spec.Pos(), path+" by a dot")
		}
		named[name] = path
	}
	harmless := map[ast.Node]bool{} // *http.Client as a type: somebody else has made it
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr:
			if x, ok := n.X.(*ast.SelectorExpr); ok && slices.Contains([]string{"Client", "Transport", "Dialer", "Resolver"}, x.Sel.Name) {
				harmless[x] = true
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || harmless[n] {
				return true
			}
			if path := named[x.Name]; slices.Contains(waysOut[path], n.Sel.Name) {
				report(n.Pos(), path[strings.LastIndexByte(path, '/')+1:]+"."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestOnlyTheDoorLeadsOut(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.floor() == "test" || f.dir == "base/dial" || f.dir == "cmd/freehold-load" || strings.HasSuffix(f.dir, "test") {
			continue
		}
		for _, where := range goesOut(f) {
			t.Errorf("%s goes out by itself: declare a reason at base/dial, or the offline budget does not know of it", where)
		}
	}
}

// What is planted is found, in whatever way it is written.
func TestAnUndeclaredCallIsFound(t *testing.T) {
	for _, planted := range []string{
		`import "net/http"; func f() { http.Get("https://updates.example") }`,
		`import "net/http"; func f() { http.DefaultClient.Do(nil) }`,
		`import "net/http"; var c http.Client`,
		`import "net/http"; var c = *http.DefaultClient`,
		`import "net/http"; var c = &http.Client{}`,
		`import "net/http"; var c = new(http.Client)`,
		`import web "net/http"; var get = web.Get`,
		`import . "net/http"; func f() { Get("") }`,
		`import "net/http"; var t = http.DefaultTransport.(*http.Transport).Clone()`,
		`import "net"; func f() { net.Dial("tcp", "192.0.2.1:1") }`,
		`import "net"; var d net.Dialer`,
		`import "net"; var d = new(net.Dialer).DialContext`,
		`import "net"; func f() { net.LookupHost("example.org") }`,
		`import "net"; func f() { net.DefaultResolver.LookupHost(nil, "") }`,
		`import "net"; var r = &net.Resolver{}`,
		`import "net"; func f() { net.ResolveTCPAddr("tcp", "example.org:1") }`,
		`import "crypto/tls"; func f() { tls.Dial("tcp", "", nil) }`,
		`import "net/smtp"; var m = smtp.SendMail`,
		`import "log/syslog"; var d = syslog.Dial`,
		`import "os/exec"; var c = exec.Command("curl")`,
		`import "syscall"; func f() { syscall.Connect(0, nil) }`,
		`import "github.com/jackc/pgx/v5"; var c = pgx.Connect`,
	} {
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, "core/x/x.go", "package x\n"+strings.ReplaceAll(planted, "; ", "\n"), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if len(goesOut(&file{path: "core/x/x.go", dir: "core/x", ast: tree, fset: fset})) == 0 {
			t.Errorf("not found: %s", planted)
		}
	}
	for _, harmless := range []string{
		`import "net/http"; var c *http.Client`,
		`import "net"; var a net.Addr`,
		`import "net/http"; func f(c *http.Client) { c.Get("") }`, // whoever made it has declared why
	} {
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, "core/x/x.go", "package x\n"+strings.ReplaceAll(harmless, "; ", "\n"), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if found := goesOut(&file{path: "core/x/x.go", dir: "core/x", ast: tree, fset: fset}); len(found) > 0 {
			t.Errorf("found in %s: %v", harmless, found)
		}
	}
}

// No exception outlives its use.
func TestExceptionsOfTheDoorAreUsed(t *testing.T) {
	used := map[string]bool{}
	all := mayGoOut
	defer func() { mayGoOut = all }()
	mayGoOut = nil
	for _, f := range sources(t) {
		for _, where := range goesOut(f) {
			_, what, _ := strings.Cut(where, ": ")
			used[f.path+" "+what] = true
		}
	}
	for one := range all {
		if !used[one] {
			t.Errorf("%s is excepted and not there", one)
		}
	}
}
