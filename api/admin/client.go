package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"freehold.example/matrix/id"
)

// Client is the command line's end of the admin socket.
type Client struct {
	http *http.Client
}

// NewClient talks to the server whose admin socket is at the path.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second}}
}

// Users calls fn for each account, in the order of their ids.
func (c *Client) Users(ctx context.Context, fn func(User)) error {
	for after := ""; ; {
		var page UsersResponse
		if err := c.do(ctx, http.MethodGet, "/v1/users?after="+url.QueryEscape(after), nil, &page); err != nil {
			return err
		}
		for _, u := range page.Users {
			fn(u)
			after = string(u.User)
		}
		if len(page.Users) < usersPage {
			return nil
		}
	}
}

// AddUser makes an account.
func (c *Client) AddUser(ctx context.Context, r AddUserRequest) (id.User, error) {
	var out AddUserResponse
	err := c.do(ctx, http.MethodPost, "/v1/users", r, &out)
	return out.User, err
}

// Invite makes a registration token.
func (c *Client) Invite(ctx context.Context, r InviteRequest) (token string, err error) {
	var out InviteResponse
	err = c.do(ctx, http.MethodPost, "/v1/invitations", r, &out)
	return out.Token, err
}

// do makes a request. What the server says went wrong is the error's text, for a person to read.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://freehold"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("is the server running? %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var f struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(b, &f) == nil && f.Error != "" {
			return fmt.Errorf("the server refused: %s", f.Error)
		}
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}
