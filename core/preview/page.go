package preview

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// What is taken from a page, at most: properties, and characters of each.
const (
	maxProperties = 32
	maxValue      = 1000
	maxTitle      = 300
)

// page is what stands in a page's source.
type page struct {
	props       map[string]string // og:..., the first of each name
	title       string            // of <title>
	description string            // <meta name="description">
	twitter     map[string]string // twitter:title, twitter:description, for pages that have these alone
	image       string            // the picture's address as the page has it
}

// read reads a page as a stream of tags, so that however deep it nests there is nothing to recurse into. It ends where the
// page ends, or breaks off; what was found until then counts. No token is longer than longest bytes.
func read(r io.Reader, longest int) *page {
	p := &page{props: map[string]string{}, twitter: map[string]string{}}
	z := html.NewTokenizer(r)
	z.SetMaxBuf(longest)
	inTitle, deep := false, 0 // deep: inside so many <svg>, whose titles are not the page's
	for {
		switch kind := z.Next(); {
		case kind == html.ErrorToken:
			p.finish()
			return p
		case kind == html.TextToken && inTitle && p.title == "":
			p.title = clean(string(z.Text()))
		case kind == html.StartTagToken, kind == html.SelfClosingTagToken, kind == html.EndTagToken:
			raw, attributes := z.TagName()
			opens, name := kind == html.StartTagToken, string(raw)
			switch {
			case name == "title" && opens:
				inTitle = deep == 0
			case name == "title":
				inTitle = false
			case name == "svg" && opens:
				deep++
			case name == "svg" && kind == html.EndTagToken:
				deep = max(deep-1, 0)
			case (name == "meta" || name == "link") && kind != html.EndTagToken:
				p.tag(z, name == "link", attributes)
			}
		}
	}
}

// tag looks at a <meta>, or a <link>.
func (p *page) tag(z *html.Tokenizer, link, attributes bool) {
	at := map[string]string{}
	for attributes {
		var key, value []byte
		key, value, attributes = z.TagAttr()
		switch k := string(key); k {
		case "property", "name", "content", "rel", "href":
			if _, twice := at[k]; !twice {
				at[k] = string(value)
			}
		}
	}
	if link {
		if strings.EqualFold(at["rel"], "image_src") && p.image == "" {
			p.image = strings.TrimSpace(at["href"])
		}
		return
	}
	for _, k := range []string{at["property"], at["name"]} {
		p.property(strings.ToLower(strings.TrimSpace(k)), at["content"])
	}
}

func (p *page) property(name, value string) {
	switch {
	case name == "description" && p.description == "":
		p.description = clean(value)
	case name == "twitter:title", name == "twitter:description", name == "twitter:image":
		first(p.twitter, name, value)
	case strings.HasPrefix(name, "og:") && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789:_-") == "" && len(p.props) < maxProperties:
		first(p.props, name, value)
	}
}

// first keeps the first value of a name that says anything. Addresses of pictures are kept as they are.
func first(m map[string]string, name, value string) {
	if !strings.Contains(name, ":image") || name == "og:image:alt" {
		value = clean(value)
	}
	if value = strings.TrimSpace(value); m[name] == "" && value != "" {
		m[name] = value
	}
}

// finish chooses what stands in for what the page does not say in OpenGraph.
func (p *page) finish() {
	or := func(name string, others ...string) {
		for _, o := range others {
			if p.props[name] == "" && o != "" {
				p.props[name] = o
			}
		}
	}
	or("og:title", p.twitter["twitter:title"], p.title)
	or("og:description", p.twitter["twitter:description"], p.description)
	for _, image := range []string{p.props["og:image"], p.props["og:image:url"], p.props["og:image:secure_url"], p.twitter["twitter:image"]} {
		if image != "" {
			p.image = image
			break
		}
	}
}

// card is what the page says, without its picture: of that, only what we have seen ourselves is told.
func (p *page) card() Card {
	c := Card{}
	for name, value := range p.props {
		switch {
		case name == "og:image" || strings.HasPrefix(name, "og:image:") && name != "og:image:alt":
		case name == "og:title":
			c[name] = cut(value, maxTitle)
		default:
			c[name] = value
		}
	}
	return c
}

// clean makes one line of a text: valid, without control characters, its spaces single, and not too long.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return cut(strings.Join(strings.Fields(s), " "), maxValue)
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
