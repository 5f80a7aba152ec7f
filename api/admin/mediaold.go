package admin

import (
	"context"
	"time"

	"freehold.example/core/media"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// DeleteOldRequest is POST /_synapse/admin/v1/media/delete.
type DeleteOldRequest struct {
	Before int64 `query:"before_ts,required" json:"-"` // uploaded before, in milliseconds since 1970
	Larger int64 `query:"size_gt" json:"-"`            // bytes
	Keep   *bool `query:"keep_profiles" json:"-"`      // pictures of users and rooms; true unless told otherwise
}

func (r *DeleteOldRequest) deed() (string, any) {
	return "", map[string]any{"before_ts": r.Before, "size_gt": r.Larger, "keep_profiles": r.Keep == nil || *r.Keep}
}

// DeleteOldOfRequest is the same by its old path, which names the server.
type DeleteOldOfRequest struct {
	Server id.Server `path:"serverName" json:"-"`
	DeleteOldRequest
}

// deleteOld deletes by when files were uploaded: when somebody last looked at them is not known.
func (a *API) deleteOld(ctx context.Context, _ By, r *DeleteOldRequest) (*DeletedResponse, error) {
	if r.Before < 0 || r.Before > 1<<53 || r.Larger < 0 {
		return nil, fault.New(fault.InvalidParam, "before_ts and size_gt are whole numbers from 0")
	}
	if r.Before < time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() {
		return nil, fault.New(fault.InvalidParam, "before_ts is in milliseconds since 1970: this one is of another century")
	}
	pictures := map[media.ID]bool{}
	if r.Keep == nil || *r.Keep {
		if err := a.pictures(ctx, pictures); err != nil {
			return nil, err
		}
	}
	gone, err := a.Media.DeleteOlder(ctx, time.UnixMilli(r.Before), r.Larger, func(i media.ID) bool { return pictures[i] })
	if err != nil {
		return nil, err
	}
	return &DeletedResponse{Deleted: append([]media.ID{}, gone...), Total: len(gone)}, nil
}

func (a *API) deleteOldOf(ctx context.Context, by By, r *DeleteOldOfRequest) (*DeletedResponse, error) {
	if r.Server != a.Accounts.ServerName {
		return nil, fault.New(fault.InvalidParam, "Only media of this server can be deleted")
	}
	return a.deleteOld(ctx, by, &r.DeleteOldRequest)
}

// pictures collects the files that show users and rooms.
func (a *API) pictures(ctx context.Context, into map[media.ID]bool) error {
	avatars, err := a.People.Avatars(ctx)
	if err != nil {
		return err
	}
	rooms, err := a.Rooms.Overviews(ctx)
	if err != nil {
		return err
	}
	for i := range rooms {
		avatars = append(avatars, rooms[i].Avatar)
	}
	for _, uri := range avatars {
		if i, ours := a.ours(uri); ours {
			into[i] = true
		}
	}
	return nil
}

// PurgeCacheRequest is POST /_synapse/admin/v1/purge_media_cache.
type PurgeCacheRequest struct {
	Before int64 `query:"before_ts,required" json:"-"`
}

func (r *PurgeCacheRequest) deed() (string, any) { return "", map[string]any{"before_ts": r.Before} }

// PurgeCacheResponse says how many files of other servers were deleted: none are kept here.
type PurgeCacheResponse struct {
	Deleted int `json:"deleted"`
}

func (a *API) purgeCache(_ context.Context, _ By, r *PurgeCacheRequest) (*PurgeCacheResponse, error) {
	if r.Before < 0 {
		return nil, fault.New(fault.InvalidParam, "before_ts is in milliseconds since 1970")
	}
	return &PurgeCacheResponse{}, nil
}
