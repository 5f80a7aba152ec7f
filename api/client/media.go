package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/media"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Content repository". The downloads of before there was authentication ask for a token too, unless the configuration
// says that they need none.
// https://spec.matrix.org/v1.19/client-server-api/#content-repository
func (a *API) mediaRows() []route.Row[Call] {
	const (
		authed = "/_matrix/client/v1/media/"
		legacy = "/_matrix/media/v3/"
		file   = "download/{serverName}/{mediaID}"
		named  = "download/{serverName}/{mediaID}/{fileName}"
		small  = "thumbnail/{serverName}/{mediaID}"
	)
	largest := a.Media.MaxUpload
	rows := []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/media/v3/upload", Auth: route.User, Limit: limit.Upload, Body: largest, Serve: route.Raw(a.upload)},
		{Method: http.MethodPost, Path: "/_matrix/media/v1/create", Auth: route.User, Limit: limit.Upload, Serve: route.JSON(a.createMedia)},
		{Method: http.MethodPut, Path: "/_matrix/media/v3/upload/{serverName}/{mediaID}", Auth: route.User, Limit: limit.Upload, Body: largest, Serve: route.Raw(a.uploadTo)},
		{Method: http.MethodGet, Path: authed + "config", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.mediaConfig)},
		{Method: http.MethodGet, Path: legacy + "config", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.mediaConfig)},
		{Method: http.MethodGet, Path: authed + "preview_url", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.preview)},
		{Method: http.MethodGet, Path: legacy + "preview_url", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.preview)},
		{Method: http.MethodGet, Path: authed + file, Auth: route.User, Limit: limit.Download, Serve: route.Raw(a.download)},
		{Method: http.MethodGet, Path: authed + named, Auth: route.User, Limit: limit.Download, Serve: route.Raw(a.download)},
		{Method: http.MethodGet, Path: authed + small, Auth: route.User, Limit: limit.Download, Serve: route.Raw(a.thumbnail)},
	}
	auth := route.User
	if a.LegacyMedia {
		auth = route.Optional
	}
	for _, prefix := range []string{legacy, "/_matrix/media/v1/"} {
		rows = append(rows,
			route.Row[Call]{Method: http.MethodGet, Path: prefix + file, Auth: auth, Limit: limit.Download, Serve: route.Raw(a.download)},
			route.Row[Call]{Method: http.MethodGet, Path: prefix + named, Auth: auth, Limit: limit.Download, Serve: route.Raw(a.download)},
			route.Row[Call]{Method: http.MethodGet, Path: prefix + small, Auth: auth, Limit: limit.Download, Serve: route.Raw(a.thumbnail)},
		)
	}
	return rows
}

func (a *API) mediaConfig(context.Context, *Call, *csapi.MediaConfigRequest) (*csapi.MediaConfig, error) {
	return &csapi.MediaConfig{UploadSize: a.Media.MaxUpload}, nil
}

// preview answers 404 M_UNRECOGNIZED where the operator does not want pages to be fetched, as if there were no such endpoint.
func (a *API) preview(ctx context.Context, _ *Call, r *csapi.PreviewRequest) (*csapi.Preview, error) {
	if a.Previews == nil {
		return nil, fault.New(fault.Unrecognized, "This server does not look at pages that are linked to")
	}
	card, err := a.Previews.Look(ctx, r.URL)
	if err != nil {
		return nil, err
	}
	answer := csapi.Preview(card)
	return &answer, nil
}

func (a *API) createMedia(ctx context.Context, c *Call, _ *csapi.CreateMediaRequest) (*csapi.CreateMediaResponse, error) {
	i, expires, err := a.Media.Reserve(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	return &csapi.CreateMediaResponse{ContentURI: a.Media.URI(i), UnusedExpiresAt: expires.UnixMilli()}, nil
}

func (a *API) upload(w http.ResponseWriter, r *http.Request, c *Call, _ route.Params) error {
	i, err := a.Media.Add(r.Context(), c.Session.User, incoming(r))
	if err != nil {
		return err
	}
	return writeJSON(w, csapi.UploadResponse{ContentURI: a.Media.URI(i)})
}

func (a *API) uploadTo(w http.ResponseWriter, r *http.Request, c *Call, p route.Params) error {
	i, err := media.ParseID(p.Get("mediaID"))
	if err != nil || id.Server(p.Get("serverName")) != a.Media.Server {
		return fault.New(fault.NotFound, "This media id was not created here").Because(err)
	}
	if err := a.Media.Fill(r.Context(), c.Session.User, i, incoming(r)); err != nil {
		return err
	}
	return writeJSON(w, csapi.Empty{})
}

// writeJSON answers an endpoint that takes anything and gives JSON.
func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // whoever does not read the answer will not be told more
	return nil
}

func incoming(r *http.Request) media.Upload {
	return media.Upload{
		Body: r.Body, Length: r.ContentLength,
		ContentType: r.Header.Get("Content-Type"), Name: r.URL.Query().Get("filename"),
	}
}

func (a *API) download(w http.ResponseWriter, r *http.Request, c *Call, p route.Params) error {
	if err := a.mayAsk(r, c, p); err != nil {
		return err
	}
	f, err := a.Media.Open(r.Context(), id.Server(p.Get("serverName")), p.Get("mediaID"), media.ParseWait(r.URL.Query()))
	if err != nil {
		return err
	}
	defer f.Close()
	if name := p.Get("fileName"); name != "" {
		f.Name = media.CleanName(name)
	}
	return serveFile(w, r, f)
}

// mayAsk refuses what might have another server be asked: of callers without a token, and of those who do not want it, as
// servers that ask each other in a ring (allow_remote).
func (a *API) mayAsk(r *http.Request, c *Call, p route.Params) error {
	if id.Server(p.Get("serverName")) == a.Media.Server || c.Session != nil && r.URL.Query().Get("allow_remote") != "false" {
		return nil
	}
	return fault.New(fault.NotFound, "There is no such media")
}

func (a *API) thumbnail(w http.ResponseWriter, r *http.Request, c *Call, p route.Params) error {
	if err := a.mayAsk(r, c, p); err != nil {
		return err
	}
	q := r.URL.Query()
	size, err := media.ParseSize(q)
	if err != nil {
		return err
	}
	f, err := a.Media.Thumbnail(r.Context(), id.Server(p.Get("serverName")), p.Get("mediaID"), size, media.ParseWait(q))
	if err != nil {
		return err
	}
	defer f.Close()
	return serveFile(w, r, f)
}

// serveFile writes a file so that no browser takes it for more than it is: the type is never guessed, nothing in it may
// run or load anything, and only types that cannot hold a script are shown in place. Media never changes and belongs to
// whoever is signed in, so browsers may keep it and shared caches may not.
func serveFile(w http.ResponseWriter, r *http.Request, f *media.File) error {
	if err := checkRange(w, r, f.Size); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", f.ContentType)
	h.Set("Content-Disposition", f.Disposition())
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("ETag", `"`+f.Hash.String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, f.ReadSeekCloser) // the file itself, so that the system can send it
	return nil
}
