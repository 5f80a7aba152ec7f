package handshake

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register puts how many rooms wait for their members among the server's metrics.
func (h *Handshakes) Register(reg prometheus.Registerer) error {
	gauge := func(name, help string, get func() int) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freehold_handshake_" + name, Help: help},
			func() float64 { return float64(get()) }))
	}
	return errors.Join(
		gauge("partial_rooms", "Rooms that were joined without their members, which are being fetched.", func() int { return len(h.Fillings()) }),
		gauge("missing_events", "Events that are still missing of the state of such rooms, as far as that is known.", func() (n int) {
			for _, f := range h.Fillings() {
				n += f.Events - f.Have
			}
			return n
		}),
	)
}
