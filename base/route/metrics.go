package route

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures requests. Its labels come from closed sets: the row's path, its method, the status class.
type Metrics struct {
	seconds *prometheus.HistogramVec

	answered, unreachable, failed atomic.Int64 // of clients
}

// Clients is how many requests of clients were answered, and of these how many with 502 or 504, as what was asked for is
// elsewhere, and with any other status of 500 and above.
func (m *Metrics) Clients() (answered, unreachable, failed int64) {
	return m.answered.Load(), m.unreachable.Load(), m.failed.Load()
}

// NewMetrics registers freehold_http_request_seconds with reg. Several tables may share one Metrics.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "freehold_http_request_seconds",
		Help:    "Time from a request's headers to the end of its answer, by route, method and class of status.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"route", "method", "status"})}
	if err := reg.Register(m.seconds); err != nil {
		return nil, err
	}
	return m, nil
}

// observer measures one row. Series are made when they are first needed: most rows never answer most classes.
type observer struct {
	metrics      *Metrics
	path, method string
	client       bool // it is one of clients
}

func (m *Metrics) row(method, path string) observer {
	client := strings.HasPrefix(path, "/_matrix/client/") || strings.HasPrefix(path, "/_matrix/media/")
	return observer{metrics: m, path: path, method: method, client: client}
}

func (o observer) observe(status int, took time.Duration) {
	if o.metrics == nil {
		return
	}
	if o.client {
		o.metrics.count(status)
	}
	o.metrics.seconds.WithLabelValues(o.path, o.method, class(status)).Observe(took.Seconds())
}

func (m *Metrics) count(status int) {
	if status == statusGone {
		return // nobody waited for the answer
	}
	switch m.answered.Add(1); {
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		m.unreachable.Add(1)
	case status >= http.StatusInternalServerError:
		m.failed.Add(1)
	}
}

func class(status int) string {
	switch {
	case status == statusGone:
		return "gone"
	case status >= 500:
		return "5xx"
	case status >= 400:
		return "4xx"
	case status >= 300:
		return "3xx"
	}
	return "2xx"
}
