package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"freehold.example/core/media"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html
func mediaRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1"
	a := t.api
	does(t, http.MethodGet, path+"/users/{userID}/media", a.mediaOf)
	does(t, http.MethodDelete, path+"/users/{userID}/media", a.deleteMediaOf)
	does(t, http.MethodGet, path+"/room/{roomID}/media", a.mediaIn)
	does(t, http.MethodGet, path+"/media/{serverName}/{mediaID}", a.oneMedia)
	does(t, http.MethodDelete, path+"/media/{serverName}/{mediaID}", a.deleteMedia)
	does(t, http.MethodPost, path+"/media/delete", a.deleteOld)
	does(t, http.MethodPost, path+"/media/{serverName}/delete", a.deleteOldOf)
	does(t, http.MethodPost, path+"/media/quarantine/{serverName}/{mediaID}", a.quarantine)
	does(t, http.MethodPost, path+"/media/unquarantine/{serverName}/{mediaID}", a.release)
	does(t, http.MethodPost, path+"/room/{roomID}/media/quarantine", a.quarantineIn)
	does(t, http.MethodPost, path+"/quarantine_media/{roomID}", a.quarantineIn)
	does(t, http.MethodPost, path+"/user/{userID}/media/quarantine", a.quarantineOf)
	does(t, http.MethodPost, path+"/media/protect/{mediaID}", a.protect)
	does(t, http.MethodPost, path+"/media/unprotect/{mediaID}", a.unprotect)
	does(t, http.MethodPost, path+"/purge_media_cache", a.purgeCache)
}

// Media is a file. When it was last looked at is not kept.
type Media struct {
	ID            media.ID `json:"media_id"`
	Type          string   `json:"media_type"`
	Length        int64    `json:"media_length"`
	Name          *string  `json:"upload_name"`
	Created       int64    `json:"created_ts"`
	LastAccess    *int64   `json:"last_access_ts"`
	QuarantinedBy *string  `json:"quarantined_by"`
	Safe          bool     `json:"safe_from_quarantine"`
	User          *string  `json:"user_id,omitempty"`
}

func shownMedia(i *media.Item) Media {
	return Media{
		ID: i.ID, Type: i.ContentType, Length: i.Size, Name: some(i.Name), Created: i.Created.UnixMilli(),
		QuarantinedBy: some(string(i.QuarantinedBy)), Safe: i.Protected,
	}
}

// MediaOfRequest is GET and DELETE of /_synapse/admin/v1/users/{userID}/media.
type MediaOfRequest struct {
	User id.User `path:"userID" json:"-"`
	Pages
}

func (r *MediaOfRequest) deed() (string, any) {
	return string(r.User), map[string]any{"from": r.From, "limit": r.Limit}
}

// MediaOfResponse is a page of a user's files.
type MediaOfResponse struct {
	Media []Media `json:"media"`
	Next  *int    `json:"next_token,omitempty"`
	Total int     `json:"total"`
}

var mediaOrders = []string{
	"media_id", "upload_name", "created_ts", "last_access_ts", "media_length", "media_type", "quarantined_by", "safe_from_quarantine",
}

// itemsOf lists a page of a user's files, the newest first unless something else is asked for.
func (a *API) itemsOf(ctx context.Context, r *MediaOfRequest) (list []*media.Item, total int, err error) {
	limit, err := r.check(mediaOrders...)
	if err != nil {
		return nil, 0, err
	}
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, 0, err
	}
	desc := r.Dir == "b" || r.Dir == "" && (r.Order == "" || r.Order == "created_ts")
	return a.Media.ItemsOf(ctx, r.User, media.ItemOrder(r.Order), desc, r.From, limit)
}

func (a *API) mediaOf(ctx context.Context, _ By, r *MediaOfRequest) (*MediaOfResponse, error) {
	list, total, err := a.itemsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &MediaOfResponse{Media: []Media{}, Total: total, Next: next(r.From, len(list), total)}
	for _, i := range list {
		out.Media = append(out.Media, shownMedia(i))
	}
	return out, nil
}

// DeletedResponse names the files that were deleted.
type DeletedResponse struct {
	Deleted []media.ID `json:"deleted_media"`
	Total   int        `json:"total"`
}

func (a *API) delete(ctx context.Context, ids []media.ID) (*DeletedResponse, error) {
	gone, err := a.Media.Delete(ctx, ids)
	if err != nil {
		return nil, err
	}
	return &DeletedResponse{Deleted: append([]media.ID{}, gone...), Total: len(gone)}, nil
}

func (a *API) deleteMediaOf(ctx context.Context, _ By, r *MediaOfRequest) (*DeletedResponse, error) {
	list, _, err := a.itemsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	ids := make([]media.ID, len(list))
	for i, item := range list {
		ids[i] = item.ID
	}
	return a.delete(ctx, ids)
}

// MediaInResponse lists the files that a room's events name.
type MediaInResponse struct {
	Local  []string `json:"local"`
	Remote []string `json:"remote"`
	Total  int      `json:"total"`
}

func (a *API) mediaIn(ctx context.Context, _ By, r *RoomRequest) (*MediaInResponse, error) {
	all, err := a.Rooms.MediaIn(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	out := &MediaInResponse{Local: []string{}, Remote: []string{}}
	for _, uri := range all {
		if _, ours := a.ours(uri); ours {
			out.Local = append(out.Local, uri)
		} else {
			out.Remote = append(out.Remote, uri)
		}
	}
	out.Total = len(out.Local)
	return out, nil
}

// ours gives the media id of an mxc URI of this server.
func (a *API) ours(uri string) (media.ID, bool) {
	name, ours := strings.CutPrefix(uri, "mxc://"+string(a.Accounts.ServerName)+"/")
	if !ours {
		return "", false
	}
	i, err := media.ParseID(name)
	return i, err == nil
}

// MediaRequest names a file.
type MediaRequest struct {
	Server id.Server `path:"serverName" json:"-"`
	ID     string    `path:"mediaID" json:"-"`
}

func (r *MediaRequest) deed() (string, any) { return "mxc://" + string(r.Server) + "/" + r.ID, nil }

var errNoMedia = fault.New(fault.NotFound, "There is no such media on this server")

// own gives the id of a file that has to be of this server.
func (a *API) own(r *MediaRequest) (media.ID, error) {
	i, ok := a.ours("mxc://" + string(r.Server) + "/" + r.ID)
	if !ok {
		return "", errNoMedia
	}
	return i, nil
}

// MediaResponse is one file.
type MediaResponse struct {
	Info Media `json:"media_info"`
}

func (a *API) oneMedia(ctx context.Context, _ By, r *MediaRequest) (*MediaResponse, error) {
	i, err := a.own(r)
	if err != nil {
		return nil, err
	}
	item, err := a.Media.Item(ctx, i)
	if err != nil {
		return nil, err
	}
	out := &MediaResponse{shownMedia(item)}
	out.Info.User = some(string(item.User))
	return out, nil
}

func (a *API) deleteMedia(ctx context.Context, _ By, r *MediaRequest) (*DeletedResponse, error) {
	i, err := a.own(r)
	if err != nil {
		return nil, err
	}
	out, err := a.delete(ctx, []media.ID{i})
	if err == nil && out.Total == 0 {
		return nil, errNoMedia
	}
	return out, err
}

// QuarantinedResponse says how many files were taken out of circulation.
type QuarantinedResponse struct {
	Count int64 `json:"num_quarantined"`
}

func (a *API) quarantine(ctx context.Context, by By, r *MediaRequest) (*csapi.Empty, error) {
	i, err := a.own(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.Media.Item(ctx, i); err != nil {
		return nil, err
	}
	_, err = a.Media.Quarantine(ctx, by.User, i)
	return nil, err
}

func (a *API) release(ctx context.Context, _ By, r *MediaRequest) (*csapi.Empty, error) {
	i, err := a.own(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Media.Release(ctx, i)
}

func (a *API) quarantineIn(ctx context.Context, by By, r *RoomRequest) (*QuarantinedResponse, error) {
	all, err := a.Rooms.MediaIn(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	var ids []media.ID
	for _, uri := range all {
		if i, ours := a.ours(uri); ours {
			ids = append(ids, i)
		}
	}
	out := new(QuarantinedResponse)
	for some := range slices.Chunk(ids, 500) {
		n, err := a.Media.Quarantine(ctx, by.User, some...)
		if err != nil {
			return nil, err
		}
		out.Count += n
	}
	return out, nil
}

func (a *API) quarantineOf(ctx context.Context, by By, r *UserRequest) (*QuarantinedResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	n, err := a.Media.QuarantineUser(ctx, by.User, r.User)
	if err != nil {
		return nil, err
	}
	return &QuarantinedResponse{n}, nil
}

// OwnMediaRequest names a file of this server.
type OwnMediaRequest struct {
	ID string `path:"mediaID" json:"-"`
}

func (r *OwnMediaRequest) deed() (string, any) { return r.ID, nil }

func (a *API) protect(ctx context.Context, _ By, r *OwnMediaRequest) (*csapi.Empty, error) {
	return nil, a.setProtected(ctx, r, true)
}

func (a *API) unprotect(ctx context.Context, _ By, r *OwnMediaRequest) (*csapi.Empty, error) {
	return nil, a.setProtected(ctx, r, false)
}

func (a *API) setProtected(ctx context.Context, r *OwnMediaRequest, protected bool) error {
	i, err := media.ParseID(r.ID)
	if err != nil {
		return errNoMedia
	}
	return a.Media.Protect(ctx, i, protected)
}
