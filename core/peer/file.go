package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"freehold.example/base/dial"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The bounds of fetching a file.
const (
	fileTimeout  = 10 * time.Minute
	maxFile      = 4 << 30  // bytes; who asks for a file sets a lower one
	maxFileAbout = 64 << 10 // bytes of what is said of a file
	maxFileHops  = 5        // redirects to where it lies
)

// declareFiles makes the clients that fetch files.
func (p *Peers) declareFiles(config *tls.Config) error {
	outside, err := p.Door.Declare(dial.Reason{
		Name: "files", Target: "the places where homeservers say that their users' files lie", Setting: "federation",
		Stops: "files of servers that keep them elsewhere are not shown", Reach: dial.OutsideOnly,
	})
	if err != nil {
		return err
	}
	p.files = p.way.Client(boundsOfFiles(config))
	p.stores = outside.Client(dial.HTTP{Total: fileTimeout, Stall: requestTimeout, MaxBody: maxFile, Redirects: maxFileHops, TLS: config})
	return nil
}

// boundsOfFiles are those of requests for files.
func boundsOfFiles(c *tls.Config) dial.HTTP {
	return dial.HTTP{Total: fileTimeout, Stall: requestTimeout, MaxBody: maxFile, PerHost: 8, TLS: c}
}

// File is a file of another server's, which is being read. Close it.
type File struct {
	io.Reader
	io.Closer
	Length      int64  // bytes, as the other server says; -1 where it does not
	ContentType string // as it says; "" where it does not
	Name        string // as it says; "" where it does not
}

// File asks a server for a file of its own, and lets it wait so long for one that is announced only
// (https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1mediadownloadmediaid). Servers of before Matrix
// 1.11 are asked as clients asked then. Errors: those of Ask.
func (p *Peers) File(ctx context.Context, server id.Server, mediaID string, wait time.Duration) (*File, error) {
	if err := p.waiting(server); err != nil {
		return nil, err
	}
	if err := p.there(ctx, server); err != nil {
		return nil, err
	}
	query := "?timeout_ms=" + strconv.FormatInt(wait.Milliseconds(), 10)
	f, err := p.file(ctx, server, func(route Route) (*http.Request, error) {
		q := Question{Server: server, Method: http.MethodGet, Path: "/_matrix/federation/v1/media/download/" + url.PathEscape(mediaID) + query}
		return p.request(ctx, q, route)
	})
	if no, is := errors.AsType[*AnswerError](err); !is || !no.unknownEndpoint() {
		return f, err
	}
	return p.file(ctx, server, func(route Route) (*http.Request, error) {
		path := "/_matrix/media/v3/download/" + url.PathEscape(string(server)) + "/" + url.PathEscape(mediaID) + query + "&allow_remote=false&allow_redirect=true"
		return http.NewRequestWithContext(route.reach(ctx), http.MethodGet, route.url(path), nil)
	})
}

// unknownEndpoint says that the server has no such endpoint, or does not know what to make of the request: a refusal of the
// file itself has another code.
func (e *AnswerError) unknownEndpoint() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		return e.Code == fault.Unknown || e.Code == fault.Unrecognized
	}
	return false
}

// file sends a request for a file and reads the answer's beginning.
func (p *Peers) file(ctx context.Context, server id.Server, request func(Route) (*http.Request, error)) (*File, error) {
	route, err := p.Route(ctx, server)
	if err != nil {
		return nil, p.failed(ctx, server, err)
	}
	resp, err := p.do(ctx, p.files, server, route, request)
	if err != nil {
		return nil, p.failed(ctx, server, err)
	}
	f, err := p.opened(ctx, server, resp)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	p.report(ctx, server, nil)
	return f, nil
}

// opened reads the answer up to the file.
func (p *Peers) opened(ctx context.Context, server id.Server, resp *http.Response) (*File, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return p.elsewhere(ctx, resp, resp.Header.Get("Location"))
	default:
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxFileAbout))
		if err != nil {
			return nil, p.failed(ctx, server, err)
		}
		p.report(ctx, server, nil)
		return nil, refusal(server, resp.StatusCode, body)
	}
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" {
		return fileOf(resp, resp.Body, resp.Header.Get), nil
	}
	parts := multipart.NewReader(resp.Body, params["boundary"])
	about, err := parts.NextPart()
	if err == nil {
		_, err = io.CopyN(io.Discard, about, maxFileAbout+1)
	}
	if err == nil {
		err = errFileAbout
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	var part *multipart.Part
	if err == nil {
		part, err = parts.NextRawPart()
	}
	if err != nil {
		return nil, fmt.Errorf("the file that %s sends: %w", server, err)
	}
	if to := part.Header.Get("Location"); to != "" {
		return p.elsewhere(ctx, resp, to)
	}
	f := fileOf(resp, part, part.Header.Get)
	f.Length = -1 // the answer's is of all parts
	return f, nil
}

var errFileAbout = errors.New("what is said of it is too long")

// elsewhere fetches a file from where a server says that it lies. That may be anywhere but inside: an address is anybody's
// to name.
func (p *Peers) elsewhere(ctx context.Context, from *http.Response, to string) (*File, error) {
	where, err := from.Request.URL.Parse(to)
	if err == nil && where.Scheme != "https" {
		err = errors.New("the file is said to lie at a place that is not https")
	}
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.stores.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("where the file is said to lie: %s", resp.Status)
	}
	from.Body.Close()
	return fileOf(resp, resp.Body, resp.Header.Get), nil
}

// fileOf is a file with what its header says.
func fileOf(resp *http.Response, body io.Reader, header func(string) string) *File {
	f := &File{Reader: body, Closer: resp.Body, Length: resp.ContentLength, ContentType: header("Content-Type")}
	if _, params, err := mime.ParseMediaType(header("Content-Disposition")); err == nil {
		f.Name = params["filename"]
	}
	return f
}
