package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// files uploads files and downloads them.
func files(ctx context.Context, l *lab) error {
	const (
		workers = 2
		count   = 64
		size    = 16 << 20
	)
	if err := l.start(ctx); err != nil {
		return err
	}
	people, err := l.people(ctx, workers)
	if err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{1})
	bodies := make([][]byte, workers)
	for i := range bodies {
		bodies[i] = make([]byte, size)
		_, _ = noise.Read(bodies[i]) // never fails
	}
	var mu sync.Mutex // guards uris
	var uris []string
	up := func(i int) error {
		for n := range count / workers {
			binary.LittleEndian.PutUint64(bodies[i], uint64(n)) // #nosec G115 -- each is another file
			raw, err := people[i].do("POST", "/_matrix/media/v3/upload?filename=noise", people[i].token, bodies[i])
			if err != nil {
				return err
			}
			uri := text(raw, "content_uri")
			mu.Lock()
			uris = append(uris, strings.TrimPrefix(uri, "mxc://"))
			mu.Unlock()
		}
		return nil
	}
	down := func(i int) error {
		for n := i; n < len(uris); n += workers {
			raw, err := people[i].do("GET", "/_matrix/client/v1/media/download/"+uris[n], people[i].token, nil)
			if err != nil {
				return err
			}
			if len(raw) != size {
				return errors.New("a file came back short")
			}
		}
		return nil
	}
	for _, way := range []struct {
		name, work string
		do         func(i int) error
	}{{"up", "upload files of 16 MiB, two at a time", up}, {"down", "download them", down}} {
		if err := l.server.forgetPeak(); err != nil {
			return err
		}
		before, _, err := l.server.memory()
		if err != nil {
			return err
		}
		began := time.Now()
		cpu, err := l.work(ctx, l.scenario+"-"+way.name, func() error { return parallel(workers, workers, way.do) })
		if err != nil {
			return err
		}
		took := time.Since(began)
		_, peak, err := l.server.memory()
		if err != nil {
			return err
		}
		const megabytes = float64(count) * size / 1e6
		l.atLeast(way.work, megabytes/took.Seconds(), 200, "%.0f MB/s")
		l.atMost(way.work, (peak-before)/(1<<20), 16, "memory grows by %.1f MB at most")
		l.add(way.work, "%.2f ms of server CPU per MB", milliseconds(cpu)/megabytes)
	}
	return nil
}
