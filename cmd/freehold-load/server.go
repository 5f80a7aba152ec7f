package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // what /_synapse/admin/v1/register asks for
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is the process under load.
type server struct {
	url    string
	cmd    *exec.Cmd
	dir    string
	client *http.Client
}

const (
	secret  = "freehold-load"
	address = "127.0.0.1:18008"
)

// start starts the server and waits until it serves.
func start(ctx context.Context, o options) (*server, error) {
	dir, err := os.MkdirTemp("", "freehold-load-")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + address, dir: dir, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true},
	}}
	s.cmd = exec.CommandContext(ctx, o.program, "serve")
	s.cmd.Env = append(os.Environ(),
		"FREEHOLD_DATA_DIR="+dir, "FREEHOLD_LISTEN_CLIENT="+address, "FREEHOLD_LISTEN_FEDERATION=",
		"FREEHOLD_REGISTRATION_SHARED_SECRET="+secret, "FREEHOLD_RATE_LIMITS=off", "FREEHOLD_PASSWORD_HASHING=fast",
		"FREEHOLD_DATABASE_URL="+o.database, "FREEHOLD_LOG_LEVEL=warn")
	s.cmd.Stdout = io.Discard
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		if _, err := s.get(ctx, "/health"); err == nil {
			return s, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	return nil, errors.New("the server does not begin to serve")
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

func (s *server) get(ctx context.Context, path string) ([]byte, error) {
	return s.do(ctx, http.MethodGet, path, "", nil)
}

// do makes one request; any answer but 200 is an error.
func (s *server) do(ctx context.Context, method, path, token string, body any) ([]byte, error) {
	var in io.Reader
	if body != nil {
		raw, ok := body.([]byte)
		if !ok {
			var err error
			if raw, err = json.Marshal(body); err != nil {
				return nil, err
			}
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, in)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, out)
	}
	return out, err
}

// call is do with the answer decoded.
func (s *server) call(ctx context.Context, method, path, token string, body, answer any) error {
	raw, err := s.do(ctx, method, path, token, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, answer)
}

// register makes an account and returns its access token.
func (s *server) register(ctx context.Context, name string) (string, error) {
	var nonce struct{ Nonce string }
	if err := s.call(ctx, http.MethodGet, "/_synapse/admin/v1/register", "", nil, &nonce); err != nil {
		return "", err
	}
	const password = "load-load-load"
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{nonce.Nonce, name, password, "notadmin"}, "\x00")))
	var account struct {
		Token string `json:"access_token"`
	}
	err := s.call(ctx, http.MethodPost, "/_synapse/admin/v1/register", "", map[string]any{
		"nonce": nonce.Nonce, "username": name, "password": password, "admin": false, "mac": hex.EncodeToString(mac.Sum(nil)),
	}, &account)
	return account.Token, err
}

// usage is what the server process has used so far.
type usage struct {
	cpu    float64 // seconds
	memory float64 // bytes resident
}

func (s *server) usage(ctx context.Context) (usage, error) {
	raw, err := s.get(ctx, "/metrics")
	if err != nil {
		return usage{}, err
	}
	var u usage
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case "process_cpu_seconds_total":
			u.cpu = n
		case "process_resident_memory_bytes":
			u.memory = n
		}
	}
	if u.cpu == 0 {
		return u, errors.New("the server's metrics do not say what it used")
	}
	return u, nil
}
