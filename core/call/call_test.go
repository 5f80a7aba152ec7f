package call

import (
	"strings"
	"testing"
	"time"
)

func TestCredentials(t *testing.T) {
	now := time.Unix(1_443_779_631, 0).Add(-time.Hour)
	c := New(Config{TURN: []string{"turn:turn.example.org"}, Secret: "north", Lifetime: time.Hour, Now: func() time.Time { return now }})
	got, ok := c.Credentials("@user:example.org")
	// printf 1443779631:@user:example.org | openssl dgst -sha1 -hmac north -binary | base64
	if !ok || got.Username != "1443779631:@user:example.org" || got.Password != "WyVDZKkAhEFIMyJEz/BZiG25bKU=" || got.Lifetime != time.Hour {
		t.Errorf("got %+v", got)
	}
	if _, ok := New(Config{}).Credentials("@user:example.org"); ok {
		t.Error("there is no server, and yet there are credentials")
	}
	if c := New(Config{}); c.Lifetime != 24*time.Hour {
		t.Errorf("lifetime: %s", c.Lifetime)
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		config Config
		want   string // "" for none
	}{
		{Config{}, ""},
		{Config{TURN: []string{"turn:a.test:3478?transport=udp", "turns:a.test"}, Secret: "s"}, ""},
		{Config{LiveKit: []string{"https://rtc.test/jwt"}}, ""},
		{Config{TURN: []string{"turn:a.test"}}, "turn_secret"},
		{Config{Secret: "s"}, "turn_uris"},
		{Config{TURN: []string{"stun:a.test"}, Secret: "s"}, "turn_uris"},
		{Config{TURN: []string{"turn://a.test"}, Secret: "s"}, "turn_uris"},
		{Config{TURN: []string{"turn:"}, Secret: "s"}, "turn_uris"},
		{Config{TURN: make([]string, 33), Secret: "s"}, "more than"},
		{Config{Lifetime: time.Second}, "turn_lifetime"},
		{Config{LiveKit: []string{"rtc.test"}}, "rtc_livekit_urls"},
		{Config{LiveKit: []string{"wss://rtc.test"}}, "rtc_livekit_urls"},
	} {
		err := tt.config.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.config, err, tt.want)
		}
	}
}
