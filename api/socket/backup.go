package socket

import (
	"net/http"

	"freehold.example/base/route"
	"freehold.example/matrix/fault"
)

// backup answers with an archive of the server. When it fails in the middle the connection is cut off, and the archive has
// no end, which its reader notices.
func (a *API) backup(w http.ResponseWriter, r *http.Request, _ *Call, _ route.Params) error {
	if !a.backups.TryLock() {
		return fault.New(fault.LimitExceeded, "A backup is being made already")
	}
	defer a.backups.Unlock()
	w.Header().Set("Content-Type", "application/x-tar")
	return a.Backup(r.Context(), w)
}
