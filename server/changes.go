package server

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/api/change"
)

// measureChanges says at /metrics which configuration is in use and whether somebody has to look at it.
func measureChanges(reg prometheus.Registerer, keeper change.Keeper) error {
	if keeper == nil {
		return nil
	}
	gauge := func(name, help string, value func(change.State) float64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(keeper.State()) }))
	}
	return errors.Join(
		gauge("freehold_configuration", "The number of the confirmed configuration.", func(s change.State) float64 { return float64(s.Current) }),
		gauge("freehold_configuration_on_trial", "The number of the configuration that waits to be confirmed; 0 for none.",
			func(s change.State) float64 { return float64(s.Trial) }),
		gauge("freehold_configuration_problem", "1 when the settings in the operator's file are not those in use.", func(s change.State) float64 {
			if s.Remark != "" && s.Trial == 0 {
				return 1
			}
			return 0
		}),
	)
}
