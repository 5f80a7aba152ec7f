package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"freehold.example/core/account"
	"freehold.example/core/audit"
	"freehold.example/matrix/id"
)

// RescueStopped lets somebody in again while no server runs: it opens the database itself.
func RescueStopped(ctx context.Context, c Config, r account.Rescue) (user id.User, err error) {
	name, err := os.ReadFile(filepath.Join(c.DataDir, "server_name"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no server in %s", c.DataDir)
	}
	if err != nil {
		return "", err
	}
	c.ServerName, c.LogLevel = id.Server(strings.TrimSpace(string(name))), slog.LevelWarn
	c.fill()
	s := &Server{config: c, registry: newRegistry()}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, open := range []func(context.Context) error{func(context.Context) error { return s.openDir() }, s.openDatabase, s.openParts} {
		if err := open(ctx); err != nil {
			return "", err
		}
	}
	e := audit.Entry{By: audit.Operator, Action: "freehold user rescue", Target: r.Name}
	done, err := audit.Do(ctx, s.audit, e, map[string]any{"password": r.Password != "", "admin": r.Admin, "sign_out": r.SignOut, "stopped": true}, func() (*id.User, error) {
		user, err := s.accounts.Rescue(ctx, r)
		return &user, err
	})
	if err != nil {
		return "", err
	}
	return *done, nil
}
