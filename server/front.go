package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"freehold.example/api/setup"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/reach"
)

// front is what answers on the client listener: Matrix, and beside it what people and monitors look at. Other servers are
// answered here too, as a proxy before it may take both to one port.
type front struct {
	matrix  http.Handler
	servers http.Handler
	pages   *route.Table[setup.Call]
	server  *Server
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/health":
		f.health(w, r)
	case path == "/metrics" && f.server.mayWatch(r):
		promhttp.HandlerFor(f.server.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	case strings.HasPrefix(path, "/_matrix/federation/"), strings.HasPrefix(path, "/_matrix/key/"):
		f.servers.ServeHTTP(w, r)
	case f.server.app.Serves(r):
		f.server.app.ServeHTTP(w, r)
	case f.pages.Knows(r.URL.EscapedPath()):
		f.pages.ServeHTTP(w, r)
	default:
		f.matrix.ServeHTTP(w, r)
	}
}

// health says whether the server can do its work: whether the database answers, and whether it can be written to.
func (f *front) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	err := f.server.db.Read(ctx, func(tx *sqldb.Tx) error {
		var one int
		return tx.Row(`SELECT 1`).Scan(&one)
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		f.server.config.Log.ErrorContext(r.Context(), "not healthy", "cause", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"the database does not answer"}`))
		return
	}
	if f.server.db.Writable(ctx) != nil { // half of a server is better than none: it is not taken out of service
		_, _ = w.Write([]byte(`{"status":"degraded","detail":"the disk is full: what is there can be read, nothing can be saved"}`))
		return
	}
	h := health{Status: "ok"}
	if c := f.server.config.Changes; c != nil {
		h.Detail = c.Remark()
	}
	if o := f.server.reach.Outside(); o.State == reach.CutOff { // which is no reason to be taken out of service
		what := "cut off"
		if o.Rehearsal {
			what = "rehearsing a cut"
		}
		h.Detail = strings.TrimPrefix(fmt.Sprintf("%s; %s since %s; serving locally", h.Detail, what, o.Since.UTC().Format(time.RFC3339)), "; ")
	}
	if b, err := json.Marshal(h); err == nil {
		_, _ = w.Write(b)
	}
}

// health is what is answered at /health with 200.
type health struct {
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// passedOn are the headers by which proxies say that a request is somebody else's.
var passedOn = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// mayWatch lets monitors of this machine and of the inside networks read the metrics; what a proxy passes on from
// elsewhere does not count as of this machine.
func (s *Server) mayWatch(r *http.Request) bool {
	for _, name := range passedOn {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	if addr.IsLoopback() {
		return true
	}
	for _, p := range s.config.InsideNetworks {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "freehold_info", Help: "Always 1; the version is in the label.", ConstLabels: prometheus.Labels{"version": Version()},
	})
	info.Set(1)
	reg.MustRegister(info)
	return reg
}

// Version is what this program was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := strings.TrimPrefix(info.Main.Version, "v")
	if version != "" && version != "(devel)" {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "0.0.0-" + s.Value[:12]
		}
	}
	return "0.0.0-devel"
}
