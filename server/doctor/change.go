package doctor

import (
	"context"
	"slices"
	"time"

	"freehold.example/server"
)

// Worse lists what is wrong, or may surprise, in one configuration and is not in another, for a server that runs with that.
// taken says which addresses are its own.
func Worse(ctx context.Context, from, to server.Config, now func() time.Time, taken func(address string) bool) (worse []Finding) {
	before := look(from, now)
	e := &examination{Patient: Patient{Config: to, Now: now}}
	e.listenerOf(ctx, "listen_client", to.ListenClient, taken)
	if to.ListenFederation != "" && to.Federation != "off" {
		e.listenerOf(ctx, "listen_federation", to.ListenFederation, taken)
	}
	if to.AppservicesDir != from.AppservicesDir {
		e.services(ctx)
	}
	for _, f := range append(look(to, now), e.report.Findings...) {
		if f.Grade != Good && !slices.Contains(before, f) {
			worse = append(worse, f)
		}
	}
	return worse
}

// look is what can be said of a configuration without asking anybody.
func look(c server.Config, now func() time.Time) []Finding {
	e := &examination{Patient: Patient{Config: c, Now: now}}
	e.settings()
	e.certificate()
	return e.report.Findings
}

func (e *examination) listenerOf(ctx context.Context, setting, address string, taken func(string) bool) {
	if !taken(address) {
		e.listener(ctx, "ports", setting, address)
	}
}
