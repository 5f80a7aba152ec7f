package reach

import (
	"errors"
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// Register adds what is known of the outside to the metrics of the server.
func (r *Reach) Register(reg prometheus.Registerer) error {
	return errors.Join(
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "freehold_outside_reached", Help: "1 while something comes from outside, 0 while this server is cut off, NaN when nothing was tried.",
		}, func() float64 {
			is := map[State]float64{Reached: 1, CutOff: 0}
			if n, known := is[r.Outside().State]; known {
				return n
			}
			return math.NaN()
		})),
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "freehold_outside_cut_off_seconds", Help: "For how long this server has been cut off from the outside; 0 while it is not.",
		}, func() float64 {
			if o := r.Outside(); o.State == CutOff {
				return max(r.Now().Sub(o.Since).Seconds(), 0)
			}
			return 0
		})),
	)
}
