package wake

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register adds the counters of a Wake to those of the server.
func (w *Wake) Register(reg prometheus.Registerer) error {
	count := func(name, help string, n func() int64) error {
		return reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(n()) }))
	}
	return errors.Join(
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "freehold_federation_silent_servers", Help: "Servers that have answered before and are not reached now.",
		}, func() float64 { return float64(w.Peers.Silent()) })),
		count("freehold_federation_rounds_total", "Times that all servers were tried again, as the link may have returned.", w.counts.rounds.Load),
		count("freehold_federation_returns_total", "Servers that were silent and are not any more.", w.counts.returns.Load),
		count("freehold_federation_calls_total", "Calls to silent servers.", w.counts.calls.Load),
		count("freehold_federation_pokes_sent_total", "Servers told that this one is there, calls included.", w.counts.pokes.Load),
		count("freehold_federation_pokes_received_total", "The same, told by others.", w.counts.poked.Load),
		count("freehold_federation_pulled_events_total", "Events asked for as a poke named them and they were not here.", w.counts.pulled.Load),
	)
}
