package person

import (
	"fmt"
	"strings"
	"testing"

	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// The caches hold no more bytes than they should, and know how many they hold.
func TestFilterCacheIsBounded(t *testing.T) {
	var c filterCache
	f := new(filter.Filter)
	for i := range 3000 {
		c.keep(filterKey{alice, fmt.Sprint(i)}, f, 4<<10)
		c.keep(filterKey{alice, fmt.Sprint(i)}, f, 4<<10) // counts once
		if want := len(c.parsed) * filterCost(4<<10); c.bytes != want || c.bytes > maxCached {
			t.Fatalf("got %d bytes for %d filters, want %d", c.bytes, len(c.parsed), want)
		}
	}
	if len(c.parsed) == 3000 {
		t.Error("nothing was forgotten")
	}
}

func TestRuleCacheIsBounded(t *testing.T) {
	rules, err := new(pushrule.Ruleset).Put(pushrule.Content, "big", "", "", []byte(`{"actions":[],"pattern":"x","a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		rules, err = rules.Put(pushrule.Override, fmt.Sprint(i), "", "",
			[]byte(`{"actions":[],"conditions":[{"kind":"none","x":"`+strings.Repeat("x", 15<<10)+`"}]}`))
		if err != nil {
			t.Fatal(err)
		}
	}
	var c ruleCache
	held := func() (n int) {
		for _, r := range c.users {
			n += r.size()
		}
		return n
	}
	for i := range 1000 {
		u := id.User(fmt.Sprint("@", i, ":s1"))
		if i%3 == 0 {
			c.changed(u, 5)
		}
		c.keep(u, rules, 9)
		if c.bytes > maxCachedBytes+rules.Size() {
			t.Fatalf("%d bytes are held", c.bytes)
		}
	}
	if got := held(); got != c.bytes {
		t.Errorf("got %d bytes, want %d", c.bytes, got)
	}
}

// Of users who are forgotten nothing old is believed.
func TestForgottenChanges(t *testing.T) {
	var c ruleCache
	for i := range maxCachedRules {
		c.changed(id.User(fmt.Sprint("@", i, ":s1")), 8)
	}
	c.changed(alice, 9)
	if len(c.users) > maxCachedRules {
		t.Errorf("%d users are remembered", len(c.users))
	}
	for i := range maxCachedRules {
		u := id.User(fmt.Sprint("@", i, ":s1"))
		c.keep(u, noRules, 7)
		if c.users[u].rules != nil {
			t.Fatalf("%s: rules of before the change are believed", u)
		}
	}
}
