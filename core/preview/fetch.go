package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // pictures that are recognised
	_ "image/jpeg" // pictures that are recognised
	_ "image/png"  // pictures that are recognised
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	_ "golang.org/x/image/webp" // pictures that are recognised
	"golang.org/x/net/html/charset"

	"freehold.example/core/media"
)

// maxHead is how many bytes of a picture are read to learn its size; profiles and small previews may come first.
const maxHead = 1 << 20

type statusError int

func (s statusError) Error() string { return fmt.Sprintf("status %d", int(s)) }

// fetch looks at a page.
func (p *Previews) fetch(ctx context.Context, u *url.URL) (Card, error) {
	resp, err := p.get(ctx, u, "text/html, application/xhtml+xml, image/*;q=0.8, */*;q=0.1")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	contentType := resp.Header.Get("Content-Type")
	switch kind := mediaType(contentType); {
	case kind == "text/html" || kind == "application/xhtml+xml":
	case strings.HasPrefix(kind, "image/"):
		card := Card{}
		if name := path.Base(resp.Request.URL.Path); name != "/" && name != "." {
			card["og:title"] = clean(name)
		}
		return card, p.picture(ctx, card, resp)
	default:
		return Card{}, nil
	}
	text, err := charset.NewReader(io.LimitReader(resp.Body, p.MaxPage), contentType)
	if errors.Is(err, io.EOF) {
		return Card{}, nil
	}
	if err != nil {
		return nil, err
	}
	page := read(text, int(p.MaxPage))
	_ = resp.Body.Close() // the rest of the page is not wanted; closing twice is harmless
	card := page.card()
	if page.image == "" {
		return card, nil
	}
	at, err := resp.Request.URL.Parse(page.image)
	if err != nil {
		return card, nil
	}
	if at, err = parse(at.String()); err != nil {
		return card, nil
	}
	// A picture that cannot be had takes nothing from what the page has said. Its address is judged like the page's.
	if picture, err := p.get(ctx, at, "image/*"); err == nil {
		defer picture.Body.Close()
		_ = p.picture(ctx, card, picture)
	}
	return card, nil
}

// get asks for an address and follows redirects; the door judges each address that it leads to.
func (p *Previews) get(ctx context.Context, u *url.URL, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", p.Agent)
	req.Header.Set("Accept", accept)
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // unread on purpose
		return nil, statusError(resp.StatusCode)
	}
	return resp, nil
}

func mediaType(contentType string) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(contentType, ";")
	}
	return strings.ToLower(strings.TrimSpace(kind))
}

var errNoPicture = errors.New("not a picture")

// picture takes the picture of an answer into the media, if it is one by its own bytes, and tells of it in the card.
func (p *Previews) picture(ctx context.Context, card Card, resp *http.Response) error {
	if resp.ContentLength > p.MaxPicture {
		return errNoPicture
	}
	var head bytes.Buffer
	config, format, err := image.DecodeConfig(io.TeeReader(io.LimitReader(resp.Body, maxHead), &head))
	if err != nil {
		return errNoPicture
	}
	i, info, err := p.Media.Borrow(ctx, media.Upload{
		Body: &limited{io.MultiReader(&head, resp.Body), p.MaxPicture}, Length: -1, ContentType: "image/" + format,
	}, p.Now().Add(p.Kept))
	if err != nil {
		return err
	}
	card["og:image"] = p.Media.URI(i)
	card["og:image:type"] = "image/" + format
	card["og:image:width"], card["og:image:height"] = config.Width, config.Height
	card["matrix:image:size"] = info.Size
	return nil
}

// limited is a reader that fails when there is more.
type limited struct {
	io.Reader
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	if l.left -= int64(n); l.left < 0 {
		return 0, errNoPicture
	}
	return n, err
}
