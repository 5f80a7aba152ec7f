package arrival

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register puts what has arrived and what waits among the server's metrics.
func (a *Arrivals) Register(reg prometheus.Registerer) error {
	var errs []error
	total := func(name, help string, labels prometheus.Labels, get func(Stats) int64) {
		errs = append(errs, reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "freehold_arrival_" + name, Help: help, ConstLabels: labels,
		}, func() float64 { return float64(get(a.Stats())) })))
	}
	for verdict, get := range map[string]func(Stats) int64{
		"accepted":    func(s Stats) int64 { return s.Accepted },
		"soft_failed": func(s Stats) int64 { return s.SoftFailed },
		"rejected":    func(s Stats) int64 { return s.Rejected },
		"known":       func(s Stats) int64 { return s.Known },
		"malformed":   func(s Stats) int64 { return s.Malformed },
		"forged":      func(s Stats) int64 { return s.Forged },
	} {
		total("events_total", "Events of other servers, by what became of them.", prometheus.Labels{"verdict": verdict}, get)
	}
	total("gaps_filled_total", "Times that what an event lacked was fetched.", nil, func(s Stats) int64 { return s.Filled })
	total("gaps_unfilled_total", "Times that what an event lacked could not be had.", nil, func(s Stats) int64 { return s.Unfilled })
	total("backfilled_total", "Events of the past that were fetched as somebody scrolled back.", nil, func(s Stats) int64 { return s.Backfilled })
	total("refused_total", "Transactions answered 429, as too much of their server waits.", nil, func(s Stats) int64 { return s.Refused })
	for name, get := range map[string]func(Stats) int{
		"waiting": func(s Stats) int { return s.Waiting },
		"lacking": func(s Stats) int { return s.Parked },
	} {
		help := map[string]string{
			"waiting": "Events of other servers that wait to be judged.", "lacking": "Events of other servers that lack something.",
		}[name]
		errs = append(errs, reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "freehold_arrival_" + name, Help: help},
			func() float64 { return float64(get(a.Stats())) })))
	}
	return errors.Join(errs...)
}
