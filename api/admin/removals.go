package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/core/removal"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// What is removed in the background; see core/removal.
// https://element-hq.github.io/synapse/latest/admin_api/rooms.html#delete-room-api
// https://element-hq.github.io/synapse/latest/admin_api/purge_history_api.html
func removalRows[C any](t *table[C]) {
	const v1, v2 = "/_synapse/admin/v1", "/_synapse/admin/v2"
	a := t.api
	does(t, http.MethodDelete, v1+"/rooms/{roomID}", a.deleteRoomNow)
	does(t, http.MethodDelete, v2+"/rooms/{roomID}", a.deleteRoom)
	looks(t, v2+"/rooms/{roomID}/delete_status", a.deletions)
	looks(t, v2+"/rooms/delete_status/{id}", a.deletion)
	does(t, http.MethodPost, v1+"/purge_history/{roomID}", a.purge)
	does(t, http.MethodPost, v1+"/purge_history/{roomID}/{eventID}", a.purgeTo)
	looks(t, v1+"/purge_history_status/{id}", a.purgeStatus)
	does(t, http.MethodPost, v1+"/user/{userID}/redact", a.redact)
	looks(t, v1+"/user/redact_status/{id}", a.redactStatus)
}

func (by By) caller() room.Caller {
	return room.Caller{User: by.User, Device: by.Device, Exempt: true}
}

// DeleteRoomRequest is DELETE /_synapse/admin/v2/rooms/{roomID}, and v1.
type DeleteRoomRequest struct {
	Room    id.Room `path:"roomID" json:"-"`
	NewUser id.User `json:"new_room_user_id"`
	Name    string  `json:"room_name"`
	Message string  `json:"message"`
	Block   bool    `json:"block"`
	Purge   *bool   `json:"purge"` // true unless told otherwise
	Force   bool    `json:"force_purge"`
}

func (r *DeleteRoomRequest) deed() (string, any) {
	p := map[string]any{"block": r.Block, "purge": r.Purge == nil || *r.Purge, "force_purge": r.Force}
	if r.NewUser != "" {
		p["new_room_user_id"] = r.NewUser
	}
	return string(r.Room), p
}

// StartedResponse names a removal that has begun.
type StartedResponse struct {
	ID string `json:"delete_id"`
}

const maxMessage = 4096 // bytes of the message to who was in a room

func (a *API) deleteRoom(ctx context.Context, by By, r *DeleteRoomRequest) (*StartedResponse, error) {
	if len(r.Message) > maxMessage || len(r.Name) > maxMessage {
		return nil, fault.Newf(fault.TooLarge, "room_name and message may have %d bytes", maxMessage)
	}
	if r.NewUser != "" {
		if _, err := a.inUse(ctx, r.NewUser); err != nil {
			return nil, err
		}
	}
	if r.Block {
		if err := a.Rooms.SetBlocked(ctx, r.Room, by.User, true); err != nil {
			return nil, err
		}
	}
	number, err := a.Removals.Remove(ctx, by.caller(), removal.RoomRequest{
		Room: r.Room, NewUser: r.NewUser, Name: r.Name, Message: r.Message, Keep: is(r.Purge, false), Force: r.Force,
	})
	if err != nil {
		return nil, err
	}
	return &StartedResponse{number}, nil
}

// ShutdownResponse is what became of who was in a room.
type ShutdownResponse struct {
	Kicked  []id.User  `json:"kicked_users"`
	Failed  []id.User  `json:"failed_to_kick_users"`
	Aliases []id.Alias `json:"local_aliases"`
	NewRoom *id.Room   `json:"new_room_id"`
}

// DeleteStatus is how far the removal of a room is.
type DeleteStatus struct {
	ID       string            `json:"delete_id"`
	Status   string            `json:"status"` // as Synapse calls them: scheduled, shutting_down, purging, complete, failed
	Error    string            `json:"error,omitempty"`
	Shutdown *ShutdownResponse `json:"shutdown_room"`
	Events   int64             `json:"purged_events"` // so far
}

func shownDeletion(j *removal.Job) (*DeleteStatus, error) {
	var state removal.Result
	if err := json.Unmarshal(j.State, &state); err != nil {
		return nil, err
	}
	out := &DeleteStatus{ID: j.ID, Status: string(j.Status), Error: j.Error, Events: state.Events, Shutdown: &ShutdownResponse{
		Kicked: append([]id.User{}, state.Kicked...), Failed: append([]id.User{}, state.Failed...),
		Aliases: append([]id.Alias{}, state.Aliases...), NewRoom: state.NewRoom,
	}}
	if j.Status == removal.Active {
		out.Status = "shutting_down"
		if state.Gone != 0 {
			out.Status = "purging"
		}
	}
	return out, nil
}

// deleteRoomNow is version 1, whose callers wait for the end. Who hangs up finds the removal under version 2.
func (a *API) deleteRoomNow(ctx context.Context, by By, r *DeleteRoomRequest) (*ShutdownResponse, error) {
	started, err := a.deleteRoom(ctx, by, r)
	if err != nil {
		return nil, err
	}
	j, err := a.Removals.Finish(ctx, removal.Room, started.ID)
	if err != nil {
		return nil, err
	}
	if j.Status == removal.Failed {
		return nil, fault.New(fault.Unknown, j.Error)
	}
	shown, err := shownDeletion(j)
	if err != nil {
		return nil, err
	}
	return shown.Shutdown, nil
}

// DeletionsResponse lists the removals of a room.
type DeletionsResponse struct {
	Results []*DeleteStatus `json:"results"`
}

func (a *API) deletions(ctx context.Context, r *RoomRequest) (*DeletionsResponse, error) {
	list, err := a.Removals.Of(ctx, removal.Room, string(r.Room))
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, "This room has not been removed")
	}
	out := &DeletionsResponse{Results: []*DeleteStatus{}}
	for _, j := range list {
		shown, err := shownDeletion(j)
		if err != nil {
			return nil, err
		}
		out.Results = append(out.Results, shown)
	}
	return out, nil
}

// JobRequest names a removal.
type JobRequest struct {
	ID string `path:"id" json:"-"`
}

func (a *API) deletion(ctx context.Context, r *JobRequest) (*DeleteStatus, error) {
	j, err := a.Removals.Find(ctx, removal.Room, r.ID)
	if err != nil {
		return nil, err
	}
	return shownDeletion(j)
}

// PurgeRequest is POST /_synapse/admin/v1/purge_history/{roomID}.
type PurgeRequest struct {
	Room id.Room `path:"roomID" json:"-"`
	PurgeBody
}

// PurgeToRequest is POST /_synapse/admin/v1/purge_history/{roomID}/{eventID}.
type PurgeToRequest struct {
	Room id.Room  `path:"roomID" json:"-"`
	To   id.Event `path:"eventID" json:"-"`
	PurgeBody
}

// PurgeBody is what both have in common.
type PurgeBody struct {
	Event  id.Event `json:"purge_up_to_event_id"`
	TS     *int64   `json:"purge_up_to_ts"`      // milliseconds since 1970
	Local  bool     `json:"delete_local_events"` // also what users of this server have sent
	DryRun bool     `json:"dry_run"`             // Freehold's: nothing is removed; the status says what would be
}

func (b *PurgeBody) deed() any {
	p := map[string]any{"delete_local_events": b.Local, "dry_run": b.DryRun}
	if b.Event != "" {
		p["purge_up_to_event_id"] = b.Event
	}
	put(p, "purge_up_to_ts", b.TS)
	return p
}

func (r *PurgeRequest) deed() (string, any) { return string(r.Room), r.PurgeBody.deed() }

func (r *PurgeToRequest) deed() (string, any) {
	b := r.PurgeBody
	b.Event = r.To
	return string(r.Room), b.deed()
}

// PurgeStarted names a purge that has begun.
type PurgeStarted struct {
	ID string `json:"purge_id"`
}

func (a *API) purge(ctx context.Context, by By, r *PurgeRequest) (*PurgeStarted, error) {
	return a.beginPurge(ctx, by, r.Room, &r.PurgeBody)
}

func (a *API) purgeTo(ctx context.Context, by By, r *PurgeToRequest) (*PurgeStarted, error) {
	r.Event = r.To
	return a.beginPurge(ctx, by, r.Room, &r.PurgeBody)
}

func (a *API) beginPurge(ctx context.Context, by By, in id.Room, b *PurgeBody) (*PurgeStarted, error) {
	q := removal.HistoryRequest{Purge: room.Purge{Room: in, Event: b.Event, Local: b.Local}, Rehearse: b.DryRun}
	switch {
	case b.Event != "":
	case b.TS == nil:
		return nil, fault.New(fault.MissingParam, "Say purge_up_to_event_id or purge_up_to_ts")
	case *b.TS <= 0 || *b.TS > a.Now().UnixMilli():
		return nil, fault.New(fault.InvalidParam, "purge_up_to_ts is in milliseconds since 1970, and not in the future")
	default:
		q.Older = *b.TS
	}
	number, err := a.Removals.Purge(ctx, by.caller(), q)
	if err != nil {
		return nil, err
	}
	return &PurgeStarted{number}, nil
}

// PurgeStatus is how far a purge is.
type PurgeStatus struct {
	Status string `json:"status"` // as Synapse calls them: active, complete, failed
	Error  string `json:"error,omitempty"`
	DryRun bool   `json:"dry_run"`
	room.Purged
}

func (a *API) purgeStatus(ctx context.Context, r *JobRequest) (*PurgeStatus, error) {
	j, err := a.Removals.Find(ctx, removal.History, r.ID)
	if err != nil {
		return nil, err
	}
	var q removal.HistoryRequest
	out := &PurgeStatus{Status: string(j.Status), Error: j.Error}
	if j.Status == removal.Scheduled {
		out.Status = string(removal.Active)
	}
	if err := json.Unmarshal(j.Request, &q); err != nil {
		return nil, err
	}
	out.DryRun = q.Rehearse
	return out, json.Unmarshal(j.State, &out.Purged)
}

// RedactRequest is POST /_synapse/admin/v1/user/{userID}/redact.
type RedactRequest struct {
	User    id.User   `path:"userID" json:"-"`
	Rooms   []id.Room `json:"rooms"` // all that she is in when there are none
	Reason  string    `json:"reason"`
	Limit   *int      `json:"limit"` // messages of each room; 1000 unless told otherwise
	ByAdmin bool      `json:"use_admin"`
}

func (r *RedactRequest) deed() (string, any) {
	p := map[string]any{"rooms": r.Rooms, "use_admin": r.ByAdmin}
	put(p, "limit", r.Limit)
	return string(r.User), p
}

// RedactStarted names a redaction that has begun.
type RedactStarted struct {
	ID string `json:"redact_id"`
}

// The bounds of one redaction of what a user has said.
const (
	maxRedactRooms = 1000
	maxRedact      = 100_000 // messages of one room
)

func (a *API) redact(ctx context.Context, by By, r *RedactRequest) (*RedactStarted, error) {
	q := removal.SaidRequest{User: r.User, Rooms: r.Rooms, Reason: r.Reason, ByAdmin: r.ByAdmin}
	if r.Limit != nil {
		if *r.Limit < 1 || *r.Limit > maxRedact {
			return nil, fault.Newf(fault.InvalidParam, "limit is between 1 and %d", maxRedact)
		}
		q.Limit = *r.Limit
	}
	if len(r.Rooms) > maxRedactRooms || len(r.Reason) > maxMessage {
		return nil, fault.Newf(fault.InvalidParam, "rooms may have %d entries, and reason %d bytes", maxRedactRooms, maxMessage)
	}
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	number, err := a.Removals.Redact(ctx, by.caller(), q)
	if err != nil {
		return nil, err
	}
	return &RedactStarted{number}, nil
}

// RedactStatus is how far a redaction is.
type RedactStatus struct {
	Status   string              `json:"status"`
	Redacted int64               `json:"redacted"`
	Failed   map[id.Event]string `json:"failed_redactions"`
}

func (a *API) redactStatus(ctx context.Context, r *JobRequest) (*RedactStatus, error) {
	j, err := a.Removals.Find(ctx, removal.Said, r.ID)
	if err != nil {
		return nil, err
	}
	state := removal.Failures{}
	if err := json.Unmarshal(j.State, &state); err != nil {
		return nil, err
	}
	out := &RedactStatus{Status: string(j.Status), Redacted: state.Redacted, Failed: state.Failed}
	if out.Failed == nil {
		out.Failed = map[id.Event]string{}
	}
	return out, nil
}
