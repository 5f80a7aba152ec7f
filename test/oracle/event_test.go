package oracle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// eventAnswer is what a library says about an event.
type eventAnswer struct {
	refused  string // why, or ""
	id       string
	hashed   bool   // the content hash is right
	redacted string // the redacted event, canonical, without unsigned
	signed   bool   // the signature by its sender's server is right
	resigned string // the signature that it makes for the sender's server
}

// TestEvents compares how received events are read: whether they are taken, their ids and hashes, their redacted form and
// their signatures.
func TestEvents(t *testing.T) {
	run(t, "event", 4000, func(d *dice) []*difference {
		return compareEvent(newEventCase(d))
	})
}

func compareEvent(c *eventCase) (all []*difference) {
	ours := ourEvent(c)
	seen.count("event: all")
	if ours.refused == "" {
		seen.count("event: taken, hash right %v, signed %v", ours.hashed, ours.signed)
	} else {
		seen.count("event: refused")
	}
	for _, other := range []struct {
		lib    string
		answer eventAnswer
	}{
		{gmsl, gmslEvent(c, ours)},
		{mautrix, mautrixEvent(c, ours)},
	} {
		differ := func(what, ours, theirs string) {
			if ours != theirs {
				all = append(all, &difference{kind: "event", lib: other.lib, what: what, version: c.version, ours: ours, theirs: theirs, answer: other.answer, event: c})
			}
		}
		theirs := other.answer
		if (ours.refused == "") != (theirs.refused == "") {
			differ("verdict", verdict(ours.refused), verdict(theirs.refused))
			continue
		}
		if ours.refused != "" {
			continue
		}
		differ("id", ours.id, theirs.id)
		differ("content hash", fmt.Sprint(ours.hashed), fmt.Sprint(theirs.hashed))
		differ("redacted form", ours.redacted, theirs.redacted)
		differ("signature right", fmt.Sprint(ours.signed), fmt.Sprint(theirs.signed))
		differ("signature made", ours.resigned, theirs.resigned)
	}
	return all
}

func verdict(refused string) string {
	if refused == "" {
		return "taken"
	}
	return "refused: " + refused
}

func ourEvent(c *eventCase) (a eventAnswer) {
	e, err := event.Parse(c.version, c.raw)
	if err != nil {
		return eventAnswer{refused: err.Error()}
	}
	r, err := e.Redact()
	if err != nil {
		return eventAnswer{refused: err.Error()}
	}
	server := e.Sender().Server()
	signed, err := e.Sign(signerOf(server))
	if err != nil {
		a.resigned = err.Error()
	} else {
		a.resigned = signatureIn(signed.Bytes(), server)
	}
	a.id, a.hashed, a.redacted = string(e.ID()), !e.Redacted(), string(r.Bytes())
	a.signed = e.Verify(server, keyID, publicKeyOf(server)) == nil
	return a
}

func signatureIn(canonical []byte, server id.Server) string {
	s, _ := canon.String(canon.Get(canon.Get(canon.Get(canonical, "signatures"), string(server)), keyID))
	return s
}

// The hash and the id of an event by the letter of the specification, from a JSON tree: a third opinion where all three
// might have copied the same mistake. It knows honest events only.
func TestHonestEvents(t *testing.T) {
	run(t, "honest event", 500, func(d *dice) []*difference {
		v := pick(d, allVersions...)
		dr := d.draft(v)
		e, err := event.Build(v, dr, signerOf(dr.Sender.Server()))
		if err != nil {
			t.Fatal(err)
		}
		bare := parseTree(e.Bytes())
		bare.remove("hashes")
		bare.remove("signatures")
		sum := sha256.Sum256(bare.canonical())
		want := base64.RawStdEncoding.EncodeToString(sum[:])
		if got := parseTree(e.Bytes()).get("hashes").get("sha256").text; got != want {
			t.Errorf("content hash: got %s, want %s of %s", got, want, e.Bytes())
		}
		if got, want := string(e.Bytes()), string(parseTree(e.Bytes()).canonical()); got != want {
			t.Errorf("not canonical:\ngot  %s\nwant %s", got, want)
		}
		return nil
	})
}
