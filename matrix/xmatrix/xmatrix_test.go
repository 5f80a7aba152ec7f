package xmatrix_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/matrix/event"
	"freehold.example/matrix/xmatrix"
)

var signer = event.Signer{Server: "origin.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}

func public() ed25519.PublicKey { return signer.Private.Public().(ed25519.PublicKey) }

func TestSigned(t *testing.T) {
	r := xmatrix.Request{Method: "PUT", URI: "/_matrix/federation/v1/send/1?a=b%20c", Destination: "here.test:8448", Content: []byte(`{ "b": 1, "a": "é" }`)}
	header, err := r.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := xmatrix.Parse(header)
	if err != nil {
		t.Fatal(err)
	}
	if a.Origin != "origin.test" || a.Destination != "here.test:8448" || a.Key != "ed25519:1" {
		t.Errorf("got %+v", a)
	}
	if err := a.Verify(r, public()); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*xmatrix.Request){
		"method":      func(r *xmatrix.Request) { r.Method = "GET" },
		"uri":         func(r *xmatrix.Request) { r.URI = "/_matrix/federation/v1/send/1?a=b+c" },
		"destination": func(r *xmatrix.Request) { r.Destination = "elsewhere.test" },
		"content":     func(r *xmatrix.Request) { r.Content = []byte(`{"a":"é","b":2}`) },
		"no content":  func(r *xmatrix.Request) { r.Content = nil },
	} {
		other := r
		change(&other)
		if err := a.Verify(other, public()); !errors.Is(err, event.ErrSignature) {
			t.Errorf("%s changed: got %v", name, err)
		}
	}
	b := a
	b.Origin = "other.test"
	if err := b.Verify(r, public()); !errors.Is(err, event.ErrSignature) {
		t.Errorf("of another server: got %v", err)
	}
	if _, err := (xmatrix.Request{Content: []byte(`{"a":1,"a":2}`)}).Sign(signer); err == nil {
		t.Error("a content with a key twice was signed")
	}
}

func TestParse(t *testing.T) {
	want := xmatrix.Authorization{Origin: "a.test:1", Destination: "b.test", Key: "ed25519:k", Signature: "c2ln"}
	without := want
	without.Destination = ""
	for header, want := range map[string]*xmatrix.Authorization{
		`X-Matrix origin="a.test:1",destination="b.test",key="ed25519:k",sig="c2ln"`:           &want,
		`x-matrix   Origin=a.test:1 , DESTINATION = b.test` + "\t,\tkey=ed25519:k,sig=c2ln":    &want,
		`X-Matrix key="ed25519:\k",sig="c\2ln",origin="a.test:1",destination=b.test,more="\""`: &want,
		`X-Matrix origin=a.test:1,key=ed25519:k,sig=c2ln`:                                      &without,
		`X-Matrix origin=a.test:1,key=ed25519:k,sig=c2ln,`:                                     &without,
		`X-Matrix`:                 nil,
		`X-Matrix origin`:          nil,
		`X-Matrix origin="a.test`:  nil,
		`X-Matrix origin="a.test\`: nil,
		`X-Matrix origin=a.test:1 key=ed25519:k,sig=c2ln`:                 nil,
		`X-Matrix origin=a.test:1,key=ed25519:k`:                          nil,
		`X-Matrix origin=a.test:1,key=ed25519,sig=c2ln`:                   nil,
		`X-Matrix origin=a b,key=ed25519:k,sig=c2ln`:                      nil,
		`X-Matrix origin=a.test,origin=b.test,key=ed25519:k,sig=c2ln`:     nil,
		`X-Matrix origin=a.test,destination="",key=ed25519:k,sig=c2ln`:    nil,
		`X-Matrix origin=a.test,key=ed25519:k,sig=c2ln,=b`:                nil,
		`Bearer origin="a.test:1",destination="b.test",key="ed25519:k",a`: nil,
	} {
		got, err := xmatrix.Parse(header)
		if want == nil {
			if err == nil {
				t.Errorf("%s: got %+v", header, got)
			}
			continue
		}
		if err != nil || !cmp.Equal(got, *want) {
			t.Errorf("%s: %v %s", header, err, cmp.Diff(*want, got))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`X-Matrix origin="a.test:1",destination="b.test",key="ed25519:k",sig="c2ln"`)
	f.Add(`X-Matrix origin=a\,b , key="\"\\"`)
	f.Fuzz(func(t *testing.T, header string) {
		a, err := xmatrix.Parse(header)
		if err == nil {
			_ = a.Verify(xmatrix.Request{Method: "GET", URI: "/"}, public())
		}
	})
}
