package appservice

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what application services are told. A nil *Metrics counts nothing.
type Metrics struct {
	events, messages, failures *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	count := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "freehold_appservice_" + name, Help: help}, []string{"service"})
	}
	m := &Metrics{
		events:   count("events_total", "Events that an application service has taken."),
		messages: count("to_device_total", "Messages to devices that an application service has taken."),
		failures: count("failures_total", "Transactions that an application service has not taken at once, each time they were sent."),
	}
	for _, c := range []prometheus.Collector{m.events, m.messages, m.failures} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) told(s *Service, n *news) {
	if m != nil {
		m.events.WithLabelValues(s.ID).Add(float64(len(n.events)))
		m.messages.WithLabelValues(s.ID).Add(float64(len(n.messages)))
	}
}

func (m *Metrics) failed(s *Service) {
	if m != nil {
		m.failures.WithLabelValues(s.ID).Inc()
	}
}
