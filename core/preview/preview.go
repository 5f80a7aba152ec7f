// Package preview looks at pages that users link to and says what they are about: title, description, picture.
//
// It is off by default, as it tells a page's server that somebody here wrote of it. A page is fetched through base/dial:
// addresses are judged after the name was resolved, at every redirect, and only the outside and the networks that the
// operator named may be reached. What was found is remembered in memory alone: the database does not say who reads what,
// and no address of a page is logged.
package preview

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"freehold.example/base/dial"
	"freehold.example/core/media"
	"freehold.example/matrix/fault"
)

// Config is what this package works with, and its bounds. A bound of 0 takes the default.
type Config struct {
	Media *media.Media
	Door  *dial.Door
	Now   func() time.Time
	Agent string // who we say we are, in User-Agent

	MaxPage    int64         // bytes of a page that are read, the rest is left; 1 MiB
	MaxPicture int64         // bytes of a picture, larger ones are left out; 8 MiB
	MaxAtOnce  int           // pages looked at at the same time; 8
	Patience   time.Duration // for a page, and once more for its picture; 10 s
	// limit: previews in memory | 8 MiB | the one asked for longest ago goes
	// limit: one page that is looked at | 1 MiB, its picture 8 MiB, 8 at once | the rest is left; who waits for long is refused
	MaxCached int           // bytes of what is remembered; 8 MiB
	Fresh     time.Duration // how long it is remembered; 1 h
	Kept      time.Duration // how long pictures are kept at least; 7 days
}

const (
	maxRedirects = 5
	perHost      = 2               // connections to one host at once
	sulk         = time.Minute     // how long a failure is remembered
	queueTime    = 5 * time.Second // how long a request waits while MaxAtOnce others are served
	maxURL       = 2048            // bytes
)

// Previews makes previews. It is safe for use by many goroutines.
type Previews struct {
	Config
	client *http.Client
	slots  chan struct{} // one for each page being looked at
	cache  cache
}

// New declares at the door why it is used.
func New(c Config) (*Previews, error) {
	for _, n := range []struct {
		set   *int64
		value int64
	}{{&c.MaxPage, 1 << 20}, {&c.MaxPicture, 8 << 20}} {
		if *n.set == 0 {
			*n.set = n.value
		}
	}
	for _, d := range []struct {
		set   *time.Duration
		value time.Duration
	}{{&c.Patience, 10 * time.Second}, {&c.Fresh, time.Hour}, {&c.Kept, 7 * 24 * time.Hour}} {
		if *d.set == 0 {
			*d.set = d.value
		}
	}
	if c.MaxAtOnce == 0 {
		c.MaxAtOnce = 8
	}
	if c.MaxCached == 0 {
		c.MaxCached = 8 << 20
	}
	if c.Agent == "" {
		c.Agent = "Freehold (link preview)"
	}
	way, err := c.Door.Declare(dial.Reason{
		Name: "preview", Target: "pages that users link to", Setting: "url_previews",
		Stops: "links are shown without title and picture", Reach: dial.Named,
	})
	if err != nil {
		return nil, err
	}
	p := &Previews{Config: c, slots: make(chan struct{}, c.MaxAtOnce)}
	p.cache.init(c.MaxCached)
	p.client = way.Client(dial.HTTP{
		Total: c.Patience, Stall: c.Patience, Redirects: maxRedirects, PerHost: perHost,
		MaxBody: 1 << 40, // what is read is bounded here: of an endless page the beginning will do
	})
	return p, nil
}

// Card is what a page is about: properties of OpenGraph as their names have it ("og:title"), with "og:image" as an mxc URI
// and "matrix:image:size" its bytes. Values are strings and integers. Nobody changes it.
type Card map[string]any

// errNone is the only thing that is said of a page that could not be had: whether an address inside the network exists,
// answers, or refuses is not for those to know who may ask here.
var errNone = fault.New(fault.NotFound, "There is no preview of this page")

// Look says what the page at an address is about. Many who ask for the same at once cause one request. A page without
// anything to tell gives an empty card; one that cannot be had is M_NOT_FOUND.
func (p *Previews) Look(ctx context.Context, address string) (Card, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	key := u.String()
	e, mine := p.cache.entry(key, p.Now())
	if !mine {
		select {
		case <-e.done:
			return e.card, e.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// Whoever was first works for all who wait, so that his going away does not end it. They are told in any case.
	card, err := Card(nil), errors.New("bug: looking at a page has panicked")
	defer func() {
		keep := p.Fresh
		if err != nil {
			keep = sulk
		}
		p.cache.settle(e, card, err, p.Now().Add(keep))
	}()
	card, err = p.look(context.WithoutCancel(ctx), u)
	return card, err
}

// parse accepts addresses that a browser would open for a link in a message. What a page's server does not get to see is
// taken off, so that it makes no difference to the cache.
func parse(address string) (*url.URL, error) {
	bad := fault.New(fault.InvalidParam, "url is not the address of a web page")
	if len(address) > maxURL {
		return nil, bad
	}
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil:
		return nil, bad // the error repeats the address
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "", u.User != nil:
		return nil, bad
	}
	u.Fragment, u.RawFragment = "", ""
	u.Host = strings.ToLower(u.Host)
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

var errBusy = fault.New(fault.LimitExceeded, "Too many pages are being looked at").After(queueTime)

func (p *Previews) look(ctx context.Context, u *url.URL) (Card, error) {
	timer := time.NewTimer(queueTime)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-timer.C:
		return nil, errBusy
	}
	card, err := p.fetch(ctx, u)
	if f, ok := errors.AsType[*fault.Fault](err); ok && f.Code == fault.LimitExceeded {
		return nil, err
	}
	if err != nil {
		return nil, errNone.Because(fmt.Errorf("preview: %s", class(err)))
	}
	return card, nil
}

// class says for the log why there is no preview, in words that name no page and no address.
func class(err error) string {
	var refused *dial.Refused
	var status statusError
	switch {
	case errors.As(err, &refused):
		return "the address may not be contacted"
	case errors.Is(err, dial.ErrCut):
		return "the way out is cut"
	case errors.As(err, &status):
		return "the answer was an error"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, dial.ErrStalled):
		return "it took too long"
	case errors.Is(err, dial.ErrDowngrade):
		return "redirected from https to http"
	default:
		return "it cannot be reached or read"
	}
}
