package feed

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register adds the counters of a feed to those of the server.
func (f *Feed) Register(reg prometheus.Registerer) error {
	looks := func(how, help string, n func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "freehold_sync_looks_total", Help: help, ConstLabels: prometheus.Labels{"from": how},
		}, func() float64 { return float64(n()) })
	}
	kept := func(name, help string, value func(*connections) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freehold_sliding_" + name, Help: help}, func() float64 {
			f.connections.mu.Lock()
			defer f.connections.mu.Unlock()
			return float64(value(f.connections))
		})
	}
	const help = "Looks for news, of /sync and sliding sync."
	return errors.Join(
		reg.Register(looks("memory", help, f.peeked.Load)),
		reg.Register(looks("database", help, f.read.Load)),
		reg.Register(kept("connections", "Connections of sliding sync that are remembered.", func(c *connections) int { return c.recent.Len() })),
		reg.Register(kept("bytes", "What these take in memory, about.", func(c *connections) int { return c.bytes })),
		reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "freehold_sync_rooms_failed_total", Help: "Rooms left out of an answer of sliding sync as they could not be shown; the log says why.",
		}, func() float64 { return float64(f.failed.Load()) })),
	)
}
