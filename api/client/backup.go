package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/backup"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// maxBackupBody lets a client back up a few thousand keys at once.
const maxBackupBody = 16 << 20

// "Server-side key backups"
// https://spec.matrix.org/v1.19/client-server-api/#server-side-key-backups
func (a *API) backupRows() []route.Row[Call] {
	const version, keys = "/_matrix/client/v3/room_keys/version", "/_matrix/client/v3/room_keys/keys"
	row := func(method, path string, body int64, serve route.Endpoint[Call]) route.Row[Call] {
		return route.Row[Call]{Method: method, Path: path, Auth: route.User, Limit: limit.Keys, Body: body, Serve: serve}
	}
	return []route.Row[Call]{
		row(http.MethodPost, version, 0, route.JSON(a.createBackup)),
		row(http.MethodGet, version, 0, route.JSON(a.currentBackup)),
		row(http.MethodGet, version+"/{version}", 0, route.JSON(a.backup)),
		row(http.MethodPut, version+"/{version}", 0, route.JSON(a.updateBackup)),
		row(http.MethodDelete, version+"/{version}", 0, route.JSON(a.deleteBackup)),
		row(http.MethodPut, keys, maxBackupBody, route.JSON(a.putBackup)),
		row(http.MethodGet, keys, 0, route.Raw(a.backupKeys)),
		row(http.MethodDelete, keys, 0, route.JSON(a.deleteBackupKeys)),
		row(http.MethodPut, keys+"/{roomID}", maxBackupBody, route.JSON(a.putBackupRoom)),
		row(http.MethodGet, keys+"/{roomID}", 0, route.Raw(a.backupRoom)),
		row(http.MethodDelete, keys+"/{roomID}", 0, route.JSON(a.deleteBackupRoom)),
		row(http.MethodPut, keys+"/{roomID}/{sessionID}", 0, route.JSON(a.putBackupKey)),
		row(http.MethodGet, keys+"/{roomID}/{sessionID}", 0, route.JSON(a.backupKey)),
		row(http.MethodDelete, keys+"/{roomID}/{sessionID}", 0, route.JSON(a.deleteBackupKey)),
	}
}

func (a *API) createBackup(ctx context.Context, c *Call, r *csapi.CreateBackupRequest) (*csapi.CreateBackupResponse, error) {
	name, err := a.Backups.Create(ctx, c.Session.User, r.Algorithm, r.AuthData)
	if err != nil {
		return nil, err
	}
	return &csapi.CreateBackupResponse{Version: name}, nil
}

func (a *API) currentBackup(ctx context.Context, c *Call, _ *csapi.CurrentBackupRequest) (*csapi.BackupResponse, error) {
	return shownBackup(a.Backups.Current(ctx, c.Session.User))
}

func (a *API) backup(ctx context.Context, c *Call, r *csapi.BackupRequest) (*csapi.BackupResponse, error) {
	return shownBackup(a.Backups.Version(ctx, c.Session.User, r.Version))
}

func shownBackup(v *backup.Version, err error) (*csapi.BackupResponse, error) {
	if err != nil {
		return nil, err
	}
	return &csapi.BackupResponse{Algorithm: v.Algorithm, AuthData: v.AuthData, Count: v.Keys, ETag: v.ETag, Version: v.Version}, nil
}

func (a *API) updateBackup(ctx context.Context, c *Call, r *csapi.UpdateBackupRequest) (*csapi.Empty, error) {
	if r.Same != nil && *r.Same != r.Version {
		return nil, fault.New(fault.InvalidParam, "version is not that of the path")
	}
	return nil, a.Backups.Update(ctx, c.Session.User, r.Version, r.Algorithm, r.AuthData)
}

func (a *API) deleteBackup(ctx context.Context, c *Call, r *csapi.BackupRequest) (*csapi.Empty, error) {
	return nil, a.Backups.Delete(ctx, c.Session.User, r.Version)
}

func (a *API) putBackup(ctx context.Context, c *Call, r *csapi.PutBackupRequest) (*csapi.BackupState, error) {
	if r.Rooms == nil {
		return nil, fault.New(fault.BadJSON, "rooms is missing")
	}
	var list []backup.Key
	for room, of := range r.Rooms {
		var err error
		if list, err = appendBackup(list, room, of.Sessions); err != nil {
			return nil, err
		}
	}
	return shownState(a.Backups.Put(ctx, c.Session.User, r.Version, list))
}

func (a *API) putBackupRoom(ctx context.Context, c *Call, r *csapi.PutBackupRoomRequest) (*csapi.BackupState, error) {
	list, err := appendBackup(nil, r.Room, r.Sessions)
	if err != nil {
		return nil, err
	}
	return shownState(a.Backups.Put(ctx, c.Session.User, r.Version, list))
}

func (a *API) putBackupKey(ctx context.Context, c *Call, r *csapi.PutBackupKeyRequest) (*csapi.BackupState, error) {
	key := csapi.BackupKey{
		FirstMessageIndex: r.FirstMessageIndex, ForwardedCount: r.ForwardedCount, IsVerified: r.IsVerified, SessionData: r.SessionData,
	}
	list, err := appendBackup(nil, r.Room, map[string]csapi.BackupKey{r.Session: key})
	if err != nil {
		return nil, err
	}
	return shownState(a.Backups.Put(ctx, c.Session.User, r.Version, list))
}

// appendBackup adds the keys of a room, all of whose members must be there.
func appendBackup(list []backup.Key, room id.Room, sessions map[string]csapi.BackupKey) ([]backup.Key, error) {
	if sessions == nil {
		return nil, fault.New(fault.BadJSON, "sessions is missing")
	}
	for session, k := range sessions {
		if k.FirstMessageIndex == nil || k.ForwardedCount == nil || k.IsVerified == nil || k.SessionData == nil {
			return nil, fault.New(fault.BadJSON, "A key needs first_message_index, forwarded_count, is_verified and session_data")
		}
		list = append(list, backup.Key{
			Room: room, Session: session,
			FirstMessageIndex: *k.FirstMessageIndex, ForwardedCount: *k.ForwardedCount, Verified: *k.IsVerified, Data: k.SessionData,
		})
	}
	return list, nil
}

func shownState(s backup.State, err error) (*csapi.BackupState, error) {
	if err != nil {
		return nil, err
	}
	return &csapi.BackupState{ETag: s.ETag, Count: s.Keys}, nil
}

func (a *API) deleteBackupKeys(ctx context.Context, c *Call, r *csapi.DeleteBackupRequest) (*csapi.BackupState, error) {
	return shownState(a.Backups.Remove(ctx, c.Session.User, r.Version, backup.Part{}))
}

func (a *API) deleteBackupRoom(ctx context.Context, c *Call, r *csapi.DeleteBackupRoomRequest) (*csapi.BackupState, error) {
	return shownState(a.Backups.Remove(ctx, c.Session.User, r.Version, backup.Part{Room: r.Room}))
}

func (a *API) deleteBackupKey(ctx context.Context, c *Call, r *csapi.BackupKeyRequest) (*csapi.BackupState, error) {
	if r.Session == "" {
		return nil, fault.New(fault.InvalidParam, "The session id is empty")
	}
	return shownState(a.Backups.Remove(ctx, c.Session.User, r.Version, backup.Part{Room: r.Room, Session: r.Session}))
}

func (a *API) backupKey(ctx context.Context, c *Call, r *csapi.BackupKeyRequest) (*csapi.BackupKey, error) {
	k, err := a.Backups.Get(ctx, c.Session.User, r.Version, r.Room, r.Session)
	if err != nil {
		return nil, err
	}
	return shownBackupKey(k), nil
}

func shownBackupKey(k *backup.Key) *csapi.BackupKey {
	return &csapi.BackupKey{
		FirstMessageIndex: &k.FirstMessageIndex, ForwardedCount: &k.ForwardedCount, IsVerified: &k.Verified, SessionData: k.Data,
	}
}

// backupKeys and backupRoom write as they read: a backup may have hundreds of megabytes.

func (a *API) backupKeys(w http.ResponseWriter, r *http.Request, c *Call, _ route.Params) error {
	return a.writeBackup(w, r, c, "")
}

func (a *API) backupRoom(w http.ResponseWriter, r *http.Request, c *Call, p route.Params) error {
	room, err := id.ParseRoom(p.Get("roomID"))
	if err != nil {
		return fault.New(fault.InvalidParam, "The room id is malformed").Because(err)
	}
	return a.writeBackup(w, r, c, room)
}

func (a *API) writeBackup(w http.ResponseWriter, r *http.Request, c *Call, room id.Room) error {
	version := r.URL.Query().Get("version")
	if version == "" {
		return fault.New(fault.MissingParam, "The query parameter version is missing")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	out := backupWriter{w: bufio.NewWriterSize(w, 32<<10), whole: room == ""}
	if err := a.Backups.Each(r.Context(), c.Session.User, version, room, out.add); err != nil {
		return err
	}
	out.end()
	_ = out.w.Flush() // the caller has gone; nobody is left to tell
	return nil
}

// backupWriter writes keys, which come sorted by room, as {"rooms": {room: {"sessions": {session: key}}}}, or for one room
// as {"sessions": {session: key}}.
type backupWriter struct {
	w     *bufio.Writer
	whole bool
	room  id.Room // whose sessions are being written
	begun bool    // "sessions" is open, and has a key
}

func (b *backupWriter) add(k *backup.Key) error {
	switch {
	case b.begun && (!b.whole || b.room == k.Room):
		b.text(",")
	case b.begun:
		b.text("}},")
		b.name(string(k.Room))
		b.text(`{"sessions":{`)
	case b.whole:
		b.text(`{"rooms":{`)
		b.name(string(k.Room))
		b.text(`{"sessions":{`)
	default:
		b.text(`{"sessions":{`)
	}
	b.begun, b.room = true, k.Room
	b.name(k.Session)
	value, err := json.Marshal(shownBackupKey(k))
	if err != nil {
		return err
	}
	_, err = b.w.Write(value)
	return err
}

func (b *backupWriter) end() {
	switch {
	case b.begun && b.whole:
		b.text("}}}}")
	case b.begun:
		b.text("}}")
	case b.whole:
		b.text(`{"rooms":{}}`)
	default:
		b.text(`{"sessions":{}}`)
	}
}

// text and name leave errors to the next Write, which repeats them.
func (b *backupWriter) text(s string) { _, _ = b.w.WriteString(s) }

func (b *backupWriter) name(s string) {
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	_, _ = b.w.Write(quoted)
	b.text(":")
}
