package server

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"freehold.example/core/account"
	"freehold.example/core/budget"
	"freehold.example/matrix/id"
	"freehold.example/test/address"
)

// reasons are the names of all reasons to go out that the program declares, read from its source.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "test" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if typ, ok := literal.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Reason" {
				return true
			}
			name := ""
			for _, e := range literal.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Name" {
					if value, ok := kv.Value.(*ast.BasicLit); ok {
						name, _ = strconv.Unquote(value.Value)
					}
				}
			}
			if name == "" {
				t.Errorf("%s: the name of a reason is to be written there, so that it can be read", fset.Position(literal.Pos()))
			}
			found[name] = fset.Position(literal.Pos()).String()
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every reason that the source declares has a line in the budget of a server with everything turned on, and one that is known
// by name: a new one wants its words here.
func TestBudgetNamesEveryReason(t *testing.T) {
	s, _, _, _ := start(t, func(c *Config) { c.URLPreviews = true })
	b, err := s.budget(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := reasons(t)
	if len(all) < 6 {
		t.Fatalf("found the reasons %v only", all)
	}
	for name, at := range all {
		if l, ok := b.Line(name); !ok || l.Kind == budget.Other {
			t.Errorf("%s: the reason %q has no line of its own in core/budget", at, name)
		}
	}
	for _, d := range s.door.Outbound() {
		if _, ok := all[d.Name]; !ok {
			t.Errorf("the reason %q is declared, and not found in the source", d.Name)
		}
	}
}

// Two servers that share a room: the budget counts who is in it, and knows what was learnt of the other one.
func TestBudgetOfTwoServers(t *testing.T) {
	open := func(c *Config) {
		at := address.For(t)
		c.ServerName, c.ListenFederation, c.Registration = id.Server(at), at, account.Open
	}
	here, hereURL, _, _ := start(t, open)
	_, thereURL, _, _ := start(t, open)
	sign := func(base, name string) string {
		_, made := ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{
			"username": name, "password": "secret " + name, "auth": map[string]any{"type": "m.login.dummy"},
		})
		token, _ := made["access_token"].(string)
		return token
	}
	alice, bob := sign(hereURL, "alice"), sign(thereURL, "bob")
	_, made := ask(t, "POST", hereURL+"/_matrix/client/v3/createRoom", alice, map[string]any{"preset": "public_chat"})
	in, _ := made["room_id"].(string)
	if in == "" {
		t.Fatalf("no room: %v", made)
	}
	query := "?via=" + url.QueryEscape(string(here.config.ServerName))
	if status, out := ask(t, "POST", thereURL+"/_matrix/client/v3/join/"+url.PathEscape(in)+query, bob, map[string]any{}); status != 200 {
		t.Fatalf("join: %d %v", status, out)
	}
	if status, out := ask(t, "GET", hereURL+"/_matrix/client/v3/profile/"+url.PathEscape("@bob:"+thereName(t, thereURL, bob)), alice, nil); status != 200 {
		t.Fatalf("the other server is not spoken with: %d %v", status, out)
	}

	v, err := here.budgetView(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name                string
		when                budget.When
		users, rooms, peers int
	}{
		{"federation", budget.Now, 1, 1, 1},
		{"authorities", budget.Never, 0, 0, 0}, // its key stands for its certificate
		{"keys", budget.Never, 0, 0, 0},
		{"names", budget.Now, 0, 0, 0},
		{"updates", budget.Never, 0, 0, 0},
	} {
		found := false
		for _, l := range v.Lines {
			if l.Name != want.name {
				continue
			}
			found = true
			if l.When != want.when || l.Users != want.users || l.Rooms != want.rooms || l.Peers != want.peers {
				t.Errorf("%s: got %s, %d users, %d rooms, %d servers; want %+v\n%s", l.Name, l.When, l.Users, l.Rooms, l.Peers, want, data)
			}
		}
		if !found {
			t.Errorf("no line %s", want.name)
		}
	}
	if _, metrics := get(t, hereURL+"/metrics"); !strings.Contains(metrics, `freehold_budget_seconds_left{dependency="federation"} 0`) {
		t.Error("the metric is not there")
	}
	if status, out := ask(t, "GET", hereURL+"/_freehold/admin/v1/budget", alice, nil); status != 403 {
		t.Errorf("who is no administrator: got %d %v, want 403", status, out)
	}
	if err := here.accounts.SetAdmin(t.Context(), id.NewUser("alice", here.config.ServerName), true); err != nil {
		t.Fatal(err)
	}
	if status, out := ask(t, "GET", hereURL+"/_freehold/admin/v1/budget", alice, nil); status != 200 || out["server_name"] != string(here.config.ServerName) {
		t.Errorf("an administrator: got %d %v", status, out)
	}
}

// thereName is the server's name of a user's.
func thereName(t *testing.T, base, token string) string {
	t.Helper()
	_, who := ask(t, "GET", base+"/_matrix/client/v3/account/whoami", token, nil)
	user, _ := who["user_id"].(string)
	return string(id.User(user).Server())
}
