package mdns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	service   = "_matrix-fed._tcp.local."
	life      = 120 // seconds for which an answer is good
	nameKey   = "server="
	maxRecord = 64 // of one packet that are looked at
)

// words are what this server has to say.
type words struct{ question, answer []byte }

func newWords(name string, port uint16) (*words, error) {
	if len(name) == 0 || len(nameKey)+len(name) > 255 {
		return nil, fmt.Errorf("%q cannot be said", name)
	}
	what, err := dnsmessage.NewName(service)
	if err != nil {
		return nil, err
	}
	// A label has 63 bytes, and no colons: it is the hash of the name, which itself is in the text.
	sum := sha256.Sum256([]byte(name))
	label := "freehold-" + hex.EncodeToString(sum[:8])
	instance, err := dnsmessage.NewName(label + "." + service)
	if err != nil {
		return nil, err
	}
	host, err := dnsmessage.NewName(label + ".local.")
	if err != nil {
		return nil, err
	}
	question := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: what, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	answer := dnsmessage.Message{
		Header: dnsmessage.Header{Response: true, Authoritative: true},
		Answers: []dnsmessage.Resource{
			{Header: header(what), Body: &dnsmessage.PTRResource{PTR: instance}},
			{Header: header(instance), Body: &dnsmessage.SRVResource{Port: port, Target: host}},
			{Header: header(instance), Body: &dnsmessage.TXTResource{TXT: []string{nameKey + name}}},
		},
	}
	w := &words{}
	if w.question, err = question.Pack(); err != nil {
		return nil, err
	}
	w.answer, err = answer.Pack()
	return w, err
}

func header(name dnsmessage.Name) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: life}
}

// saying is a server's name and port.
type saying struct {
	name string
	port uint16
}

// read takes a packet apart: whether homeservers are asked for, and which servers it says that there are. A packet that is none
// says nothing.
func read(b []byte) (asked bool, said []saying) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.OpCode != 0 || h.RCode != dnsmessage.RCodeSuccess {
		return false, nil
	}
	if !h.Response {
		for range maxRecord {
			q, err := p.Question()
			if err != nil {
				return false, nil
			}
			if strings.EqualFold(q.Name.String(), service) && (q.Type == dnsmessage.TypePTR || q.Type == dnsmessage.TypeALL) {
				return true, nil
			}
		}
		return false, nil
	}
	if p.SkipAllQuestions() != nil {
		return false, nil
	}
	ports, names := map[string]uint16{}, map[string]string{}
	records(p.AnswerHeader, p.SkipAnswer, &p, ports, names)
	if p.SkipAllAnswers() == nil && p.SkipAllAuthorities() == nil { // some put them there
		records(p.AdditionalHeader, p.SkipAdditional, &p, ports, names)
	}
	for instance, name := range names {
		if port := ports[instance]; port != 0 {
			said = append(said, saying{name, port})
		}
	}
	return false, said
}

// records reads those of one section that are about a homeserver.
func records(next func() (dnsmessage.ResourceHeader, error), skip func() error, p *dnsmessage.Parser, ports map[string]uint16, names map[string]string) {
	for range maxRecord {
		h, err := next()
		if err != nil {
			return
		}
		instance := strings.ToLower(h.Name.String())
		switch {
		case !strings.HasSuffix(instance, "."+service):
			err = skip()
		case h.Type == dnsmessage.TypeSRV:
			var r dnsmessage.SRVResource
			if r, err = p.SRVResource(); err == nil && h.TTL > 0 { // 0 is a farewell
				ports[instance] = r.Port
			}
		case h.Type == dnsmessage.TypeTXT:
			var r dnsmessage.TXTResource
			if r, err = p.TXTResource(); err == nil {
				for _, text := range r.TXT {
					if name, is := strings.CutPrefix(text, nameKey); is && name != "" {
						names[instance] = name
					}
				}
			}
		default:
			err = skip()
		}
		if err != nil {
			return
		}
	}
}
