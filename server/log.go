package server

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"os"

	"freehold.example/base/route"
)

// NewLogger makes a server's logger. out may say with a method Terminal() bool whether a person reads along.
func NewLogger(out io.Writer, format string, level slog.Level) *slog.Logger {
	return newLogger(out, format, level)
}

// newLogger writes JSON for machines and text for people. Every record made while a request is served carries its id.
func newLogger(out io.Writer, format string, level slog.Level) *slog.Logger {
	if format == "" && isTerminal(out) {
		format = "text"
	}
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(withRequest{slog.NewTextHandler(out, options)})
	}
	return slog.New(withRequest{slog.NewJSONHandler(out, options)})
}

func isTerminal(out io.Writer) bool {
	if t, ok := out.(interface{ Terminal() bool }); ok {
		return t.Terminal()
	}
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// withRequest adds the request's id to records. The request's own record has it already.
type withRequest struct{ slog.Handler }

func (h withRequest) Handle(ctx context.Context, r slog.Record) error {
	if id := route.ID(ctx); id != "" && r.Message != "request" {
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h withRequest) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequest{h.Handler.WithAttrs(attrs)}
}

func (h withRequest) WithGroup(name string) slog.Handler {
	return withRequest{h.Handler.WithGroup(name)}
}

// HTTPLog is for what net/http and its relatives say of connections.
func HTTPLog(to *slog.Logger) *log.Logger { return httpErrors(to) }

// httpErrors takes what net/http says about connections: strangers cause it at will, so it is for debugging only.
func httpErrors(to *slog.Logger) *log.Logger {
	return log.New(lineWriter{to}, "", 0)
}

type lineWriter struct{ log *slog.Logger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.log.Debug("http", "text", string(bytes.TrimSpace(p)))
	return len(p), nil
}
