package keep

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"time"

	"freehold.example/api/change"
	"freehold.example/api/socket"
	"freehold.example/base/route"
	"freehold.example/core/drill"
	"freehold.example/matrix/fault"
	"freehold.example/server"
	"freehold.example/server/doctor"
)

// openDoor serves the admin socket until it is closed. What needs nothing but memory and files is answered here; the rest is
// handed on to the generation that runs.
func (k *keeper) openDoor(ctx context.Context) (closeDoor func(), err error) {
	table, err := route.New(route.Config[socket.Call]{Rows: k.rows(), Guard: socket.Guard})
	if err != nil {
		return nil, err
	}
	l, err := listenDoor(k.home)
	if err != nil {
		return nil, err
	}
	s := &http.Server{
		Handler:           &door{own: table, on: k.handOn()},
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	go s.Serve(l) //nolint:errcheck // it ends with Close
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond) // an answer that is on its way
		defer cancel()
		if s.Shutdown(ctx) != nil {
			_ = s.Close() // who reads along in the log has seen the end
		}
	}, nil
}

// door asks its own table first.
type door struct {
	own *route.Table[socket.Call]
	on  http.Handler
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.own.Knows(r.URL.EscapedPath()) {
		d.own.ServeHTTP(w, r)
		return
	}
	d.on.ServeHTTP(w, r)
}

// handOn passes requests to the generation that runs.
func (k *keeper) handOn() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "freehold"
			if r.In.Method == http.MethodGet { // nobody would read it
				r.Out.Body, r.Out.ContentLength = http.NoBody, 0
			}
		},
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			g, err := k.running()
			if err != nil {
				return nil, err
			}
			return g.admin.dial(ctx)
		}},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			f, ok := errors.AsType[*fault.Fault](err)
			if !ok {
				f = errNotServing.Because(err)
			}
			text := f.Text
			if f.Cause != nil {
				text += ": " + f.Cause.Error() // to the operator
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(f.Status)
			_ = json.NewEncoder(w).Encode(map[string]string{"errcode": string(f.Code), "error": text}) // to who may be gone
		},
		ErrorLog: server.HTTPLog(k.log()),
	}
}

// rows are what the door answers by itself.
func (k *keeper) rows() []route.Row[socket.Call] {
	return []route.Row[socket.Call]{
		{Method: "GET", Path: "/status", Serve: route.JSON(k.status)},
		{Method: "GET", Path: "/logs", Serve: route.Raw(k.logs)},
		{Method: "GET", Path: "/config", Serve: route.JSON(k.config)},
		{Method: "POST", Path: "/config/check", Body: 6 * textBytes, Serve: route.JSON(k.checkFile)},
		{Method: "POST", Path: "/config/apply", Body: 6 * textBytes, Serve: route.JSON(k.applyFile)},
		{Method: "POST", Path: "/config/word", Serve: route.JSON(k.giveWord)},
		{Method: "POST", Path: "/config/rollback", Serve: route.JSON(k.rollback)},
		{Method: "POST", Path: "/drill/stop", Serve: route.JSON(k.stopDrill)},
	}
}

func (k *keeper) status(ctx context.Context, _ *socket.Call, _ *socket.NothingRequest) (*change.Status, error) {
	s := &change.Status{
		Version: server.Version(), Dir: k.home, Process: os.Getpid(), Started: k.began, Free: doctor.Free(k.home), Config: k.State(),
	}
	k.mu.Lock()
	g := k.now
	s.Since, s.Why = k.since, k.why
	k.mu.Unlock()
	if g == nil {
		s.Server = string(k.inUse().ServerName)
		return s, nil
	}
	s.Serving, s.Server, s.Clients, s.Federation = true, string(g.config.ServerName), g.server.ClientAddr(), g.server.FederationAddr()
	s.Health = "ok"
	if err := healthy(ctx, "http://"+g.clients()+"/health"); err != nil {
		s.Health = err.Error()
	}
	return s, nil
}

// logs answers with the end of the log as text; with ?follow=1 it goes on until the reader ends.
func (k *keeper) logs(w http.ResponseWriter, r *http.Request, _ *socket.Call, _ route.Params) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	follow := r.URL.Query().Get("follow") != ""
	for from := int64(0); ; {
		b, next, more := k.ring.read(from)
		if _, err := w.Write(b); err != nil || !follow {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		from = next
		select {
		case <-more:
		case <-k.done:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

func (k *keeper) config(context.Context, *socket.Call, *socket.NothingRequest) (*change.State, error) {
	s := k.State()
	return &s, nil
}

func (k *keeper) checkFile(ctx context.Context, _ *socket.Call, r *socket.ConfigRequest) (*change.Plan, error) {
	return k.Check(ctx, []byte(r.Text), false)
}

func (k *keeper) applyFile(_ context.Context, _ *socket.Call, r *socket.ConfigRequest) (*change.Applied, error) {
	// Who asks may go away in the middle: the change goes on, and the guard ends it.
	return k.Apply(context.Background(), change.Request{
		Text: []byte(r.Text), Within: time.Duration(r.Within) * time.Millisecond, By: r.By, Why: r.Why,
	})
}

func (k *keeper) giveWord(context.Context, *socket.Call, *socket.NothingRequest) (*socket.WordResponse, error) {
	word, at, err := k.Word()
	if err != nil {
		return nil, err
	}
	return &socket.WordResponse{Word: word, At: at}, nil
}

func (k *keeper) rollback(_ context.Context, _ *socket.Call, r *socket.RollbackRequest) (*change.Applied, error) {
	return k.Rollback(context.Background(), change.Rollback{Number: r.Number, By: r.By, Why: r.Why})
}

func (k *keeper) stopDrill(context.Context, *socket.Call, *socket.NothingRequest) (*socket.NothingRequest, error) {
	if g, err := k.running(); err == nil && g.server.StopDrill() == nil {
		return &socket.NothingRequest{}, nil // also one of which nothing is on disk yet
	}
	was, err := drill.Stop(k.home)
	if err == nil && !was {
		err = fault.New(fault.NotFound, "There is no drill")
	}
	return &socket.NothingRequest{}, err
}
