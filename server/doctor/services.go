package doctor

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"freehold.example/base/dial"
	"freehold.example/core/appservice"
)

// services looks whether the registrations of application services can be used, and whether the services answer.
func (e *examination) services(ctx context.Context) {
	const check = "application services"
	c := &e.Config
	if c.AppservicesDir == "" {
		return
	}
	all, err := appservice.Load(c.AppservicesDir, c.ServerName)
	if err != nil {
		e.bad(check, "The server does not start with it: mend the file, or take it out of the directory.", "A registration cannot be used: %v", err)
		return
	}
	files, _ := os.ReadDir(c.AppservicesDir) // it has just been read
	for _, f := range files {
		if info, err := f.Info(); err == nil && f.Type().IsRegular() && info.Mode().Perm()&0o007 != 0 {
			e.warn(check, "chmod o-rwx "+filepath.Join(c.AppservicesDir, f.Name()),
				"Others on this machine can read %s: who has its as_token acts as every user of the service.", f.Name())
		}
	}
	line, err := appservice.NewLine(dial.New(dial.Config{Inside: c.InsideNetworks, Now: e.Now}), e.Now)
	if err != nil {
		e.bad(check, "", "%v", err)
		return
	}
	for _, s := range all.All() {
		if s.URL == nil {
			e.good(check, "%s is registered; it is told nothing.", s.ID)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		took, err := line.Ping(limited, s, "")
		cancel()
		if err != nil {
			e.warn(check, "Is it running, at this address? It will be told everything when it is back.", "%s does not answer at %s: %v", s.ID, s.URL.Host, err)
			continue
		}
		e.good(check, "%s answers after %v.", s.ID, took.Round(time.Millisecond))
	}
}
