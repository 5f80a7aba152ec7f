package outbox

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what other servers are sent. A nil *Metrics counts nothing.
type Metrics struct {
	transactions     *prometheus.CounterVec
	events, disliked prometheus.Counter
	messages         *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "freehold_outbox_" + name, Help: help}
	}
	m := &Metrics{
		transactions: prometheus.NewCounterVec(opts("transactions_total", "Transactions to other servers, by whether they were taken."), []string{"taken"}),
		events:       prometheus.NewCounter(opts("events_total", "Events that other servers have taken, each counted for each of them.")),
		disliked:     prometheus.NewCounter(opts("refused_events_total", "Events that other servers said they have not taken.")),
		messages:     prometheus.NewCounterVec(opts("edus_total", "What other servers have taken besides events, by kind."), []string{"kind"}),
	}
	for _, c := range []prometheus.Collector{m.transactions, m.events, m.disliked, m.messages} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) sent(t *transaction) {
	if m == nil {
		return
	}
	m.transactions.WithLabelValues("yes").Inc()
	m.events.Add(float64(t.events))
	for _, kind := range t.kinds {
		m.messages.WithLabelValues(kind).Inc()
	}
}

func (m *Metrics) failed() {
	if m != nil {
		m.transactions.WithLabelValues("no").Inc()
	}
}

func (m *Metrics) complained() {
	if m != nil {
		m.disliked.Inc()
	}
}
