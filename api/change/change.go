// Package change is how changes of the configuration are spoken of: by the operator over the admin socket, and by
// administrators over HTTP. Who makes them is package keep.
package change

import (
	"context"
	"time"
)

// Keeper keeps the configuration of the server that runs, and changes it.
type Keeper interface {
	State() State
	Check(ctx context.Context, text []byte, over bool) (*Plan, error) // over: as in Request
	// Apply puts a configuration on trial. It returns when the server runs with it, or with the one before again; with
	// Request.Over set already when that has begun, as the connection of who asks ends with it.
	Apply(ctx context.Context, r Request) (*Applied, error)
	// Confirm ends the trial of the generation that is asked: whoever could ask it has reached the new configuration.
	Confirm(by string) (*Applied, error)
	// Hand takes the word that a confirmation over the admin socket begins with.
	Hand(word string) (*Applied, error)
	Rollback(ctx context.Context, r Rollback) (*Applied, error)
	Remark() string // what everybody who looks at the server should know of its configuration; "" for nothing
}

// Request is a new configuration.
type Request struct {
	Text   []byte
	Within time.Duration // until when it has to be confirmed
	By     string
	Why    string
	Over   bool // it comes over the network: what only the machine's operator may change is refused, and stays when it is not said
}

// Rollback goes back to an earlier configuration: one that was confirmed before, so it need not be confirmed again.
type Rollback struct {
	Number int // 0: the trial is ended, or the configuration before the current one is taken when there is none
	By     string
	Why    string
	Over   bool // as in Request
}

// Applied is what came of it.
type Applied struct {
	Number   int        `json:"number"`             // of the configuration
	Previous int        `json:"previous,omitempty"` // which comes back without confirmation
	Until    *time.Time `json:"confirm_until,omitempty"`
	Plan     *Plan      `json:"plan,omitempty"`
	Notes    []string   `json:"notes,omitempty"`
}

// Plan is what a configuration would change.
type Plan struct {
	Refused   []string   `json:"refused"` // why it is not taken; empty when it is
	Warnings  []string   `json:"warnings"`
	Changes   []Setting  `json:"changes"`
	Listeners []Listener `json:"listeners"`
	Touches   []Touch    `json:"touches"`
}

// Setting is one that differs. Secrets are not shown.
type Setting struct {
	Key     string `json:"key"`
	From    string `json:"from"`
	To      string `json:"to"`
	Machine bool   `json:"machine,omitempty"` // only the operator at the machine may change it
}

// Listener is an address that is listened on, before and after.
type Listener struct {
	For  string `json:"for"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Touch is who would notice, judged by the last day.
type Touch struct {
	Key      string   `json:"key"`  // of the setting
	What     string   `json:"what"` // users, devices, rooms, servers, invitations
	Count    int      `json:"count"`
	How      string   `json:"how"`
	Examples []string `json:"examples,omitempty"` // a few names
}

// Entry is one configuration that there was.
type Entry struct {
	Number  int       `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	Outcome string    `json:"outcome"`
	Current bool      `json:"current,omitempty"`
}

// State is what is kept of configurations.
type State struct {
	Current int        `json:"current"` // 0 while none was confirmed
	Trial   int        `json:"trial,omitempty"`
	Until   *time.Time `json:"confirm_until,omitempty"`
	File    string     `json:"file,omitempty"` // the operator's own
	Remark  string     `json:"remark,omitempty"`
	Entries []Entry    `json:"entries"` // the newest first
}

// Status is what a server says of itself over the admin socket, whatever state it is in.
type Status struct {
	Version    string    `json:"version"`
	Server     string    `json:"server_name"`
	Dir        string    `json:"data_dir"`
	Process    int       `json:"pid"`
	Started    time.Time `json:"started"`
	Serving    bool      `json:"serving"`
	Since      time.Time `json:"since"`
	Why        string    `json:"why,omitempty"`    // why it is not serving
	Health     string    `json:"health,omitempty"` // what /health says
	Clients    string    `json:"listen_client,omitempty"`
	Federation string    `json:"listen_federation,omitempty"`
	Free       int64     `json:"free_bytes"` // on the disk of the data directory; -1 when that cannot be said
	Drill      string    `json:"drill,omitempty"`
	Config     State     `json:"config"`
}
