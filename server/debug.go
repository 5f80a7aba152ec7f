package server

import (
	"bytes"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
)

// inspect is where the operator looks into the running program, over the admin socket only: POST /debug/cpu starts a CPU
// profile, GET /debug/cpu ends it and answers with it; GET /debug/heap, /debug/goroutine, /debug/mutex and what else the
// runtime keeps (runtime/pprof), as text with ?debug=1.
type inspect struct {
	next http.Handler // answers everything else

	mu  sync.Mutex // guards cpu
	cpu *bytes.Buffer
}

func (d *inspect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/debug/")
	switch p := pprof.Lookup(name); {
	case !ok:
		d.next.ServeHTTP(w, r)
	case name == "cpu" && r.Method == http.MethodPost:
		d.start(w)
	case name == "cpu":
		d.stop(w)
	case p == nil:
		http.NotFound(w, r)
	default:
		level := 0
		if r.URL.Query().Get("debug") != "" {
			level = 1
		}
		_ = p.WriteTo(w, level)
	}
}

func (d *inspect) start(w http.ResponseWriter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	profile := new(bytes.Buffer)
	if err := pprof.StartCPUProfile(profile); err != nil { // one is being taken
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	d.cpu = profile
}

func (d *inspect) stop(w http.ResponseWriter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cpu == nil {
		http.Error(w, "no profile is being taken", http.StatusConflict)
		return
	}
	pprof.StopCPUProfile()
	_, _ = w.Write(d.cpu.Bytes())
	d.cpu = nil
}
