package media

import (
	"context"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// How long a download waits for an upload that is only announced (timeout_ms).
const (
	UsualWait   = 20 * time.Second
	longestWait = 60 * time.Second
)

func topic(i ID) string { return "media:" + string(i) }

// Open opens a file. One that is announced but not uploaded is waited for, at most for wait; then it is
// M_NOT_YET_UPLOADED. A file of another server is fetched from there, unless there is a copy.
func (m *Media) Open(ctx context.Context, server id.Server, mediaID string, wait time.Duration) (*File, error) {
	r, err := m.await(ctx, server, mediaID, wait)
	if err != nil {
		return nil, err
	}
	return m.open(ctx, r.blob, File{ContentType: r.contentType, Name: r.name, Created: time.UnixMilli(r.created)})
}

var errNoMedia = fault.New(fault.NotFound, "There is no such media")

// await finds the row of an uploaded file.
func (m *Media) await(ctx context.Context, server id.Server, mediaID string, wait time.Duration) (*row, error) {
	i, err := ParseID(mediaID)
	if err != nil {
		return nil, errNoMedia.Because(err)
	}
	if server != m.Server {
		return m.copyOf(ctx, server, i, wait)
	}
	if r, err := m.find(ctx, i); err != nil || r.blob != "" {
		return r, err
	}
	sleeper := m.Bus.Sleep(topic(i)) // registered before the row is read again, so that no upload is missed
	defer sleeper.Close()
	timer := time.NewTimer(min(max(wait, 0), longestWait))
	defer timer.Stop()
	for {
		if r, err := m.find(ctx, i); err != nil || r.blob != "" {
			return r, err
		}
		select {
		case <-sleeper.C():
		case <-timer.C:
			return nil, fault.New(fault.NotYetUploaded, "Media has not been uploaded yet")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// find gives the row of an id that is uploaded or may still be.
func (m *Media) find(ctx context.Context, i ID) (*row, error) {
	var r *row
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		r, err = readRow(tx, i)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case r == nil || r.quarantined != "" || r.blob == "" && stale(r.expires, m.Now()):
		return nil, errNoMedia
	}
	return r, nil
}
