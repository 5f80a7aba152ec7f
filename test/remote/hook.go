package remote

import (
	"net/http"
	"sync/atomic"
	"time"
)

// A Hook answers requests in the place of the server; next is the server's own answer.
type Hook func(w http.ResponseWriter, q *http.Request, next http.Handler)

type hook struct {
	off atomic.Bool
	do  Hook
	mux *http.ServeMux // with the one pattern
}

func (h *hook) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, pattern := h.mux.Handler(q); pattern == "" || h.off.Load() {
			next.ServeHTTP(w, q)
			return
		}
		h.do(w, q, next)
	})
}

// Hook puts h in front of all paths that fit the pattern of http.ServeMux, such as
// "GET /_matrix/federation/v1/make_join/{room}/{user}"; one that ends in a slash fits everything below. The newest hook is
// asked first. remove takes it away.
func (s *Server) Hook(pattern string, h Hook) (remove func()) {
	x := &hook{do: h, mux: http.NewServeMux()}
	x.mux.Handle(pattern, http.NotFoundHandler())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks[:len(s.hooks):len(s.hooks)], x)
	return func() { x.off.Store(true) }
}

// Fail refuses with a status and a Matrix error code.
func Fail(status int, code string) Hook {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		fail(w, status, code, "As the test has it")
	}
}

// Say answers with a body, whatever was asked.
func Say(status int, body string) Hook {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // to a server that may be gone
	}
}

// Drop closes the connection without a word.
func Drop() Hook {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}

// Delay answers later, or not at all if the other server has hung up by then.
func Delay(d time.Duration) Hook {
	return func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		select {
		case <-q.Context().Done():
		case <-time.After(d):
			next.ServeHTTP(w, q)
		}
	}
}

// Hold answers when open is closed.
func Hold(open <-chan struct{}) Hook {
	return func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		select {
		case <-q.Context().Done():
		case <-open:
			next.ServeHTTP(w, q)
		}
	}
}

// Lose does what is asked, and loses the answer.
func Lose() Hook {
	return func(_ http.ResponseWriter, q *http.Request, next http.Handler) {
		next.ServeHTTP(nowhere{http.Header{}}, q)
		panic(http.ErrAbortHandler)
	}
}

type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// Times does h for the first n requests only.
func Times(n int64, h Hook) Hook {
	var count atomic.Int64
	return func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if count.Add(1) > n {
			next.ServeHTTP(w, q)
			return
		}
		h(w, q, next)
	}
}
