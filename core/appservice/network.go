package appservice

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// protocol is what one service says of a protocol.
type protocol struct {
	raw json.RawMessage // nil: nothing, or nothing that can be used
	at  time.Time       // when it was asked
}

// networkOf is a protocol of a service.
type networkOf struct {
	service *Service
	name    string
}

// networks is what was said of protocols of late: clients ask when they start.
type networks struct {
	mu    sync.Mutex
	known map[networkOf]protocol // bounded: one for each protocol of each registration
}

const (
	protocolAge = time.Minute
	nothingAge  = 5 * time.Second // of what a service did not know
)

// Protocols is what there is to know of every protocol, by its name (Client-Server API, "Third-party Lookup"). Services that do not
// answer in time are left out.
func (d *Desk) Protocols(ctx context.Context) (map[string]json.RawMessage, error) {
	var names []string
	for _, s := range d.services.All() {
		names = append(names, s.Protocols...)
	}
	slices.Sort(names)
	return d.protocols(ctx, slices.Compact(names))
}

// Protocol is what there is to know of one protocol. Errors: M_NOT_FOUND.
func (d *Desk) Protocol(ctx context.Context, name string) (json.RawMessage, error) {
	all, err := d.protocols(ctx, []string{name})
	if err != nil {
		return nil, err
	}
	one, ok := all[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "There is no such protocol")
	}
	return one, nil
}

func (d *Desk) protocols(ctx context.Context, names []string) (map[string]json.RawMessage, error) {
	var of []networkOf
	for _, s := range d.services.All() {
		for _, name := range names {
			if s.URL != nil && slices.Contains(s.Protocols, name) {
				of = append(of, networkOf{s, name})
			}
		}
	}
	said := make([]json.RawMessage, len(of))
	var all sync.WaitGroup
	for i, n := range of {
		all.Go(func() { said[i] = d.protocol(ctx, n) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := map[string]json.RawMessage{}
	for i, n := range of {
		if said[i] == nil {
			continue
		}
		merged, err := merge(out[n.name], said[i])
		if err != nil {
			return nil, err
		}
		out[n.name] = merged
	}
	return out, nil
}

// protocol is what a service says of one of its protocols.
func (d *Desk) protocol(ctx context.Context, n networkOf) json.RawMessage {
	now := d.now()
	d.networks.mu.Lock()
	p, ok := d.networks.known[n]
	d.networks.mu.Unlock()
	age := protocolAge
	if p.raw == nil {
		age = nothingAge
	}
	if ok && now.Sub(p.at).Abs() < age {
		return p.raw
	}
	status, answer, err := d.ask(ctx, n.service, request{
		method: http.MethodGet, path: app("thirdparty", "protocol", n.name),
		legacy: []string{"_matrix", "app", "unstable", "thirdparty", "protocol", n.name},
	})
	if err != nil {
		return p.raw // what it said when it last said something
	}
	p = protocol{at: now}
	if status == http.StatusOK {
		p.raw = named(n.service, answer)
	}
	d.networks.mu.Lock()
	defer d.networks.mu.Unlock()
	d.networks.known[n] = p
	return p.raw
}

// Instance is the name of a network of a service on this server: instance_id of a protocol's instance.
func Instance(service, network string) string { return service + "|" + network }

// ParseInstance takes an instance_id apart. One that was not made by Instance is a network of any service.
func ParseInstance(instance string) (service, network string) {
	service, network, ok := strings.Cut(instance, "|")
	if !ok {
		return "", instance
	}
	return service, network
}

// named adds the instance ids to what a service says of a protocol; nil when it does not have the form.
func named(s *Service, answer []byte) json.RawMessage {
	var p map[string]json.RawMessage
	var instances []map[string]json.RawMessage
	if json.Unmarshal(answer, &p) != nil || p == nil || json.Unmarshal(orEmpty(p["instances"]), &instances) != nil {
		return nil
	}
	kept := []map[string]json.RawMessage{}
	for _, instance := range instances {
		network, ok := canon.String(instance["network_id"])
		if !ok {
			continue
		}
		instance["instance_id"], _ = canon.Marshal(Instance(s.ID, network))
		kept = append(kept, instance)
	}
	p["instances"], _ = canon.Marshal(kept)
	raw, err := canon.Marshal(p)
	if err != nil {
		return nil
	}
	return raw
}

func orEmpty(list json.RawMessage) json.RawMessage {
	if len(list) == 0 {
		return json.RawMessage("[]")
	}
	return list
}

// merge adds the instances of a protocol to those of another service with the same protocol, which stands for the rest.
func merge(first, second json.RawMessage) (json.RawMessage, error) {
	if first == nil {
		return second, nil
	}
	var p map[string]json.RawMessage
	var instances, more struct {
		List []json.RawMessage `json:"instances"`
	}
	err := errors.Join(json.Unmarshal(first, &p), json.Unmarshal(first, &instances), json.Unmarshal(second, &more))
	if err != nil {
		return nil, err
	}
	if p["instances"], err = canon.Marshal(append(instances.List, more.List...)); err != nil {
		return nil, err
	}
	return canon.Marshal(p)
}

// The kinds of what is found in a network.
const (
	kindUser     = "user"
	kindLocation = "location"
)

// Users finds the Matrix users that stand for users of a network, by fields of the protocol. Errors: M_NOT_FOUND,
// M_INVALID_PARAM.
func (d *Desk) Users(ctx context.Context, protocol string, fields url.Values) ([]json.RawMessage, error) {
	return d.find(ctx, kindUser, protocol, fields)
}

// Locations finds the room aliases that stand for places in a network. Errors: M_NOT_FOUND, M_INVALID_PARAM.
func (d *Desk) Locations(ctx context.Context, protocol string, fields url.Values) ([]json.RawMessage, error) {
	return d.find(ctx, kindLocation, protocol, fields)
}

// UsersOf finds the users of networks that a Matrix user stands for. Errors: M_NOT_FOUND.
func (d *Desk) UsersOf(ctx context.Context, user id.User) ([]json.RawMessage, error) {
	return d.find(ctx, kindUser, "", url.Values{"userid": {string(user)}})
}

// LocationsOf finds the places in networks that a room alias stands for. Errors: M_NOT_FOUND.
func (d *Desk) LocationsOf(ctx context.Context, alias id.Alias) ([]json.RawMessage, error) {
	return d.find(ctx, kindLocation, "", url.Values{"alias": {string(alias)}})
}

// The bounds of what is looked for.
const (
	maxFields = 20
	maxQuery  = 4 << 10 // bytes of all of them
)

// find asks all services that speak the protocol ("": any) at once and puts together what they found.
func (d *Desk) find(ctx context.Context, kind, protocol string, fields url.Values) ([]json.RawMessage, error) {
	size := 0
	for name, values := range fields {
		for _, v := range values {
			if size += len(name) + len(v); !utf8.ValidString(name) || !utf8.ValidString(v) {
				return nil, fault.New(fault.InvalidParam, "The query is not UTF-8")
			}
		}
	}
	if len(fields) > maxFields || size > maxQuery {
		return nil, fault.New(fault.InvalidParam, "There are too many fields to look for")
	}
	r := request{
		method: http.MethodGet, query: fields,
		path: app("thirdparty", kind), legacy: []string{"_matrix", "app", "unstable", "thirdparty", kind},
	}
	if protocol != "" {
		r.path, r.legacy = append(r.path, protocol), append(r.legacy, protocol)
	}
	var of []*Service
	for _, s := range d.services.All() {
		if s.URL != nil && len(s.Protocols) > 0 && (protocol == "" || slices.Contains(s.Protocols, protocol)) {
			of = append(of, s)
		}
	}
	found := make([][]json.RawMessage, len(of))
	var all sync.WaitGroup
	for i, s := range of {
		all.Go(func() {
			if status, answer, err := d.ask(ctx, s, r); err == nil && status == http.StatusOK {
				found[i] = wellFormed(kind, answer)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if out := slices.Concat(found...); len(out) > 0 {
		return out, nil
	}
	return nil, fault.New(fault.NotFound, "Nothing was found")
}

// wellFormed keeps what has the form of a user or a location in a network.
func wellFormed(kind string, answer []byte) []json.RawMessage {
	var all []json.RawMessage
	if json.Unmarshal(answer, &all) != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(raw json.RawMessage) bool {
		var one struct {
			User     *string `json:"userid"`
			Alias    *string `json:"alias"`
			Protocol *string `json:"protocol"`
			Fields   map[string]json.RawMessage
		}
		bad := json.Unmarshal(raw, &one) != nil || one.Protocol == nil || one.Fields == nil
		return bad || kind == kindUser && one.User == nil || kind == kindLocation && one.Alias == nil
	})
}
