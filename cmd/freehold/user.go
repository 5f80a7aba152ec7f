package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"freehold.example/api/socket"
	"freehold.example/core/account"
	"freehold.example/server"
	"freehold.example/server/keep"
)

const userUsage = usage(`freehold user add NAME [--admin] [--password-file FILE]
       freehold user rescue NAME [--admin] [--keep-password] [--sign-out] [--password-file FILE]
                                 let somebody in again: a new password, unlocked; also while the server is stopped
       freehold user list
       freehold user invite [--uses N] [--days N]
Every one takes --data-dir DIR (or FREEHOLD_DATA_DIR, or FREEHOLD_CONFIG): where the running server keeps its data.`)

// user asks the running server to do something with its accounts.
func user(ctx context.Context, c console, args []string) error {
	if len(args) == 0 || isHelp(args[0]) {
		return userUsage
	}
	name, args := args[0], args[1:]
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("data-dir", "", "")
	config := flags.String("config", "", "")
	admin := flags.Bool("admin", false, "")
	file := flags.String("password-file", "", "")
	keepPassword := flags.Bool("keep-password", false, "")
	signOut := flags.Bool("sign-out", false, "")
	uses := flags.Int64("uses", 1, "")
	days := flags.Int("days", 7, "")
	positional, err := parseMixed(flags, args)
	if err != nil {
		return usage(err.Error() + "\n" + string(userUsage))
	}
	s, err := dialServer(c, *dir, *config)
	if err != nil {
		return usage(err.Error())
	}
	switch {
	case name == "add" && len(positional) == 1:
		return addUser(ctx, c, s, positional[0], *file, *admin)
	case name == "rescue" && len(positional) == 1:
		r := account.Rescue{Name: positional[0], Admin: *admin, SignOut: *signOut}
		if !*keepPassword {
			if r.Password, err = readPassword(ctx, c, *file); err != nil {
				return err
			}
		}
		return rescue(ctx, c, s, r)
	case name == "list" && len(positional) == 0:
		return listUsers(ctx, c, s)
	case name == "invite" && len(positional) == 0:
		var resp socket.InviteResponse
		if err := s.call(ctx, "POST", "/invitations", socket.InviteRequest{Uses: *uses, Days: *days}, &resp); err != nil {
			return err
		}
		fmt.Fprintln(c.out, resp.Token)
		return nil
	}
	return userUsage
}

// parseMixed takes flags before and after the other arguments.
func parseMixed(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return positional, nil
		}
		positional, args = append(positional, flags.Arg(0)), flags.Args()[1:]
	}
}

func addUser(ctx context.Context, c console, s *runningServer, name, file string, admin bool) error {
	password, err := readPassword(ctx, c, file)
	if err != nil {
		return err
	}
	var resp socket.AddUserResponse
	if err := s.call(ctx, "POST", "/users", socket.AddUserRequest{Localpart: name, Password: password, Admin: admin}, &resp); err != nil {
		return err
	}
	fmt.Fprintln(c.out, resp.ID)
	return nil
}

// rescue lets somebody in again, by way of the running server or without one.
func rescue(ctx context.Context, c console, s *runningServer, r account.Rescue) error {
	var resp socket.AddUserResponse
	err := s.call(ctx, "POST", "/users/"+url.PathEscape(r.Name)+"/rescue", socket.RescueRequest{Password: r.Password, Admin: r.Admin, SignOut: r.SignOut}, &resp)
	if errors.Is(err, errStopped) {
		config, wrong := keep.Load(s.args, c.environ)
		if wrong != nil { // where the database is can be said all the same
			fmt.Fprintf(c.err, "freehold: %v\n", wrong)
			config = server.Defaults()
		}
		config.DataDir, config.Out = s.dir, c.err
		resp.ID, err = server.RescueStopped(ctx, config, r)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s can sign in again.\n", resp.ID)
	return nil
}

// readPassword takes the first line of a file or of standard input; a person is asked twice. It is never an argument:
// others can see those.
func readPassword(ctx context.Context, c console, file string) (string, error) {
	in := c.in
	if file != "" {
		f, err := os.Open(file) //nolint:gosec // the operator names a file of his own
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	} else if isTerminal(c.in) {
		return askPassword(ctx, c)
	}
	return firstLine(in)
}

func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("no password was given; type one, or pipe it in, or name a file with --password-file")
	}
	return line, nil
}

func listUsers(ctx context.Context, c console, s *runningServer) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	q := url.Values{}
	for {
		var page socket.UsersResponse
		if err := s.call(ctx, "GET", "/users?"+q.Encode(), nil, &page); err != nil {
			return err
		}
		for _, u := range page.Users {
			var notes []string
			for _, n := range []struct {
				is   bool
				text string
			}{{u.Admin, "admin"}, {u.Locked, "locked"}, {u.Deactivated, "deactivated"}} {
				if n.is {
					notes = append(notes, n.text)
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", u.ID, u.Created.Format(time.DateOnly), strings.Join(notes, " "))
		}
		if !page.More {
			return w.Flush()
		}
		q.Set("after", string(page.Users[len(page.Users)-1].ID))
	}
}

// errStopped says that nobody answers on the admin socket.
var errStopped = errors.New("no server is running")

// runningServer is a server that is reached over its admin socket.
type runningServer struct {
	dir  string
	args []string // that found it
	http *http.Client
}

func dialServer(c console, dir, config string) (*runningServer, error) {
	args := []string{}
	if config != "" {
		args = append(args, "--config", config)
	}
	if dir != "" {
		args = append(args, "--data-dir", dir)
	}
	home, err := keep.Home(args, c.environ)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return server.DialAdmin(ctx, home)
	}
	return &runningServer{dir: home, args: args, http: &http.Client{
		Transport: &http.Transport{DialContext: dial},
		Timeout:   time.Minute,
	}}, nil
}

// call sends one command and reads its answer.
func (s *runningServer) call(ctx context.Context, method, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://freehold"+path, bytes.NewReader(data)) //nolint:gosec // it goes to the unix socket, whatever the path
	if err != nil {
		return err
	}
	resp, err := s.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var fault struct{ Error string }
		if json.Unmarshal(answer, &fault) != nil || fault.Error == "" {
			return fmt.Errorf("the server answered %s", resp.Status)
		}
		return errors.New(fault.Error)
	}
	return json.Unmarshal(answer, into)
}

// do sends a request and explains why nobody takes it.
func (s *runningServer) do(req *http.Request) (*http.Response, error) {
	resp, err := s.http.Do(req) //nolint:gosec // it goes to the unix socket, whatever the path
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w with its data in %s; start it with `freehold serve`, or name the directory with --data-dir", errStopped, s.dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the server with its data in %s belongs to another user; run this as that user", s.dir)
	}
	return resp, err
}
