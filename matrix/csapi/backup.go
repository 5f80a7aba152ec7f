package csapi

import (
	"encoding/json"

	"freehold.example/matrix/id"
)

// CreateBackupRequest is POST /room_keys/version.
type CreateBackupRequest struct {
	Algorithm string          `json:"algorithm"`
	AuthData  json.RawMessage `json:"auth_data"`
}

// CreateBackupResponse names the new backup.
type CreateBackupResponse struct {
	Version string `json:"version"`
}

// CurrentBackupRequest is GET /room_keys/version.
type CurrentBackupRequest struct{}

// BackupRequest is GET or DELETE /room_keys/version/{version}.
type BackupRequest struct {
	Version string `path:"version" json:"-"`
}

// UpdateBackupRequest is PUT /room_keys/version/{version}.
type UpdateBackupRequest struct {
	Version   string          `path:"version" json:"-"`
	Algorithm string          `json:"algorithm"`
	AuthData  json.RawMessage `json:"auth_data"`
	Same      *string         `json:"version,omitempty"` // the version again, for what it is worth
}

// BackupResponse describes a backup.
type BackupResponse struct {
	Algorithm string          `json:"algorithm"`
	AuthData  json.RawMessage `json:"auth_data"`
	Count     int64           `json:"count"`
	ETag      string          `json:"etag"`
	Version   string          `json:"version"`
}

// BackupKey is the key of one session ("KeyBackupData"). All members are required; pointers tell a missing one.
type BackupKey struct {
	FirstMessageIndex *int64          `json:"first_message_index"`
	ForwardedCount    *int64          `json:"forwarded_count"`
	IsVerified        *bool           `json:"is_verified"`
	SessionData       json.RawMessage `json:"session_data"`
}

// BackupRoom is the keys of a room, by session.
type BackupRoom struct {
	Sessions map[string]BackupKey `json:"sessions"`
}

// PutBackupRequest is PUT /room_keys/keys.
type PutBackupRequest struct {
	Version string                 `query:"version,required" json:"-"`
	Rooms   map[id.Room]BackupRoom `json:"rooms"`
}

// PutBackupRoomRequest is PUT /room_keys/keys/{roomId}.
type PutBackupRoomRequest struct {
	Room     id.Room              `path:"roomID" json:"-"`
	Version  string               `query:"version,required" json:"-"`
	Sessions map[string]BackupKey `json:"sessions"`
}

// PutBackupKeyRequest is PUT /room_keys/keys/{roomId}/{sessionId}; its body is a BackupKey.
type PutBackupKeyRequest struct {
	Room              id.Room         `path:"roomID" json:"-"`
	Session           string          `path:"sessionID" json:"-"`
	Version           string          `query:"version,required" json:"-"`
	FirstMessageIndex *int64          `json:"first_message_index"`
	ForwardedCount    *int64          `json:"forwarded_count"`
	IsVerified        *bool           `json:"is_verified"`
	SessionData       json.RawMessage `json:"session_data"`
}

// DeleteBackupRequest is DELETE /room_keys/keys.
type DeleteBackupRequest struct {
	Version string `query:"version,required" json:"-"`
}

// DeleteBackupRoomRequest is DELETE /room_keys/keys/{roomId}.
type DeleteBackupRoomRequest struct {
	Room    id.Room `path:"roomID" json:"-"`
	Version string  `query:"version,required" json:"-"`
}

// BackupKeyRequest is GET or DELETE /room_keys/keys/{roomId}/{sessionId}.
type BackupKeyRequest struct {
	Room    id.Room `path:"roomID" json:"-"`
	Session string  `path:"sessionID" json:"-"`
	Version string  `query:"version,required" json:"-"`
}

// BackupState is how much is in a backup after a change.
type BackupState struct {
	ETag  string `json:"etag"`
	Count int64  `json:"count"`
}
