package server

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The runtime keeps what a burst of requests has made it take, and the stacks that they have grown, until as much has been
// allocated again. Where many clients connect and then wait, as after a restart, that is most of the memory of the process.
const (
	tidyEvery = 3 * time.Second
	quietRate = 4 << 20  // bytes allocated within tidyEvery, up to which the server has nothing to do
	worthIt   = 16 << 20 // bytes allocated since the last time, from which on it is done
	perParked = 10 << 10 // bytes that net/http held for a connection which is parked now
)

// tidy collects garbage and gives memory back whenever the server has come to rest. It costs a few milliseconds then, and
// nothing while there is work. Who runs the program with GOGC=off has the memory to spare.
func (s *Server) tidy(ctx context.Context) error {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/gogc:percent"}}
	allocated := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64() + perParked*s.clients.lot.Times()
	}
	if allocated(); sample[1].Value.Uint64() == math.MaxUint64 {
		return nil
	}
	done, last := uint64(0), allocated()
	return every(ctx, tidyEvery, func(ctx context.Context) error {
		now := allocated()
		if now-last <= quietRate && now-done >= worthIt {
			if err := s.db.Trim(ctx); err != nil {
				return fmt.Errorf("trim the database's caches: %w", err)
			}
			debug.FreeOSMemory()
			debug.FreeOSMemory() // a stack is halved by each collection
			s.clients.lot.Renew()
			debug.FreeOSMemory()
			done = now
		}
		last = now
		return nil
	})
}
