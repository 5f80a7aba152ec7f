package federation

import (
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/media"
)

// "Content Repository"
// https://spec.matrix.org/v1.19/server-server-api/#content-repository
func (a *API) mediaRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/media/download/{mediaID}", Auth: route.Server, Limit: limit.Federation, Serve: route.Raw(a.download)},
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/media/thumbnail/{mediaID}", Auth: route.Server, Limit: limit.Federation, Serve: route.Raw(a.thumbnail)},
	}
}

func (a *API) download(w http.ResponseWriter, r *http.Request, _ *Call, p route.Params) error {
	f, err := a.Media.Open(r.Context(), a.Signer.Server, p.Get("mediaID"), media.ParseWait(r.URL.Query()))
	if err != nil {
		return err
	}
	defer f.Close()
	return sendFile(w, f)
}

func (a *API) thumbnail(w http.ResponseWriter, r *http.Request, _ *Call, p route.Params) error {
	q := r.URL.Query()
	size, err := media.ParseSize(q)
	if err != nil {
		return err
	}
	f, err := a.Media.Thumbnail(r.Context(), a.Signer.Server, p.Get("mediaID"), size, media.ParseWait(q))
	if err != nil {
		return err
	}
	defer f.Close()
	return sendFile(w, f)
}

// sendFile answers in two parts: what is said of the file, which is nothing so far, and the file.
func sendFile(w http.ResponseWriter, f *media.File) error {
	parts := multipart.NewWriter(w)
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+parts.Boundary())
	about, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(about, "{}"); err != nil {
		return err
	}
	file, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {f.ContentType}, "Content-Disposition": {f.Disposition()}})
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, f); err != nil {
		return err
	}
	return parts.Close()
}
