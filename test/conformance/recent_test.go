package conformance

import "testing"

// 39 Unstable and recent features

// Account data deletion (MSC3391)
func TestAccountDataDeletion(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	const typ = "com.example.kept"
	own := path("/user", alice.id, "account_data", typ)
	inRoom := path("/user", alice.id, "rooms", room, "account_data", typ)
	for _, c := range []struct {
		line string
		at   string
		in   func(a *answer) value
		how  func(at string) *answer
	}{
		{"B529", own, accountData, func(at string) *answer { return alice.do("DELETE", "/unstable/org.matrix.msc3391"+at, nil) }},
		{"B530", own, accountData, func(at string) *answer { return alice.put("/v3"+at, obj{}) }},
		{"B531", inRoom, roomData(room), func(at string) *answer { return alice.do("DELETE", "/unstable/org.matrix.msc3391"+at, nil) }},
		{"B531", inRoom, roomData(room), func(at string) *answer { return alice.put("/v3"+at, obj{}) }},
	} {
		t.Run(c.line, func(t *testing.T) {
			alice.t = t
			alice.put("/v3"+c.at, obj{"a": 1}).ok()
			since := alice.now()
			c.how(c.at).ok()
			if e := c.in(alice.sync(since, nil)).find(typ); !e.at("content").equals(obj{}) {
				t.Errorf("incremental sync: got %v", e)
			}
			alice.get("/v3"+c.at).fails(404, "M_NOT_FOUND")
			if e := c.in(alice.sync("", nil)).find(typ); !e.missing() {
				t.Errorf("initial sync: got %v", e)
			}
		})
	}
}

func accountData(a *answer) value { return a.at("account_data", "events") }

func roomData(room string) func(a *answer) value {
	return func(a *answer) value { return a.joined(room).at("account_data", "events") }
}

// Local notification settings (MSC3890)
func TestB532(t *testing.T) {
	alice := newUser(t)
	second := alice.login("")
	at := func(u *user) string {
		return path("/v3/user", alice.id, "account_data", "org.matrix.msc3890.local_notification_settings."+u.device)
	}
	for _, u := range []*user{alice, second} {
		u.put(at(u), obj{"is_silenced": true}).ok()
	}
	second.post("/v3/logout", nil).ok()
	alice.get(at(second)).fails(404, "M_NOT_FOUND")
	alice.get(at(alice)).ok()
}

// Poll push rules (MSC3930)
func TestPollRules(t *testing.T) {
	alice := newUser(t)
	all := alice.get("/v3/pushrules/").ok().at("global")
	place := map[string]int{}
	for _, kind := range []string{"override", "underride"} {
		for i, r := range all.list(kind) {
			place[r.str("rule_id")] = i
		}
	}
	match := func(typ string) obj {
		return obj{"kind": "event_match", "key": "type", "pattern": "org.matrix.msc3381.poll." + typ}
	}
	two := obj{"kind": "room_member_count", "is": "2"}
	sound := list{"notify", obj{"set_tweak": "sound", "value": "default"}}
	const prefix = ".org.matrix.msc3930.rule.poll_"
	for _, c := range []struct {
		line, kind, name string
		actions          list
		conditions       list
	}{
		{"B541", "override", "response", list{}, list{match("response")}},
		{"B542", "underride", "start_one_to_one", sound, list{two, match("start")}},
		{"B542", "underride", "end_one_to_one", sound, list{two, match("end")}},
		{"B543", "underride", "start", list{"notify"}, list{match("start")}},
		{"B543", "underride", "end", list{"notify"}, list{match("end")}},
	} {
		t.Run(c.line, func(t *testing.T) {
			alice.t = t
			r := alice.get(path("/v3/pushrules/global", c.kind, prefix+c.name)).ok()
			if !r.at("actions").equals(c.actions) || !r.at("conditions").equals(c.conditions) {
				t.Errorf("got %s", r.raw)
			}
			if !r.flag("default") || !r.flag("enabled") {
				t.Errorf("B544: got %s", r.raw)
			}
			if i := place[prefix+c.name]; all.at(c.kind, i).String() != r.String() {
				t.Errorf("B544: got %s, and %v in the list", r.raw, all.at(c.kind, i))
			}
		})
	}
	for _, what := range []string{"start", "end"} {
		if place[prefix+what+"_one_to_one"] > place[prefix+what] {
			t.Errorf("B544: the one-to-one rule for %s comes after the general one", what)
		}
	}
}

// Invite filtering (MSC4155), and the permission that the specification has
func TestInviteFiltering(t *testing.T) {
	const (
		fine  = "org.matrix.msc4155.invite_permission_config"
		whole = "m.invite_permission_config"
	)
	alice, bob := newUser(t), newUser(t)
	server := bob.server()
	anyOf := func(u *user) string { return u.id[:len(u.id)-3] + "?" + u.id[len(u.id)-2:] }
	for _, c := range []struct {
		line, typ string
		config    obj
		status    int
		shown     bool
	}{
		{"B558", fine, obj{}, 200, true},
		{"B558", fine, obj{"allowed_users": nil, "ignored_users": nil, "blocked_users": nil, "allowed_servers": nil, "ignored_servers": nil, "blocked_servers": nil}, 200, true},
		{"B559", fine, obj{"blocked_users": list{bob.id}}, 403, false},
		{"B559", fine, obj{"blocked_servers": list{server}}, 403, false},
		{"B560", fine, obj{"ignored_users": list{bob.id}}, 200, false},
		{"B560", fine, obj{"ignored_servers": list{server}}, 200, false},
		{"B561", fine, obj{"blocked_servers": list{server[:1] + "*"}}, 403, false},
		{"B561", fine, obj{"blocked_users": list{anyOf(bob)}}, 403, false},
		{"B561", fine, obj{"ignored_users": list{"@?*"}}, 200, false},
		{"B561", fine, obj{"ignored_users": list{"?" + bob.id}}, 200, true},
		{"B562", fine, obj{"allowed_users": list{bob.id}, "blocked_servers": list{server}}, 200, true},
		{"B562", fine, obj{"blocked_users": list{bob.id}, "allowed_servers": list{server}}, 403, false},
		{"B562", fine, obj{"allowed_users": list{bob.id}, "blocked_users": list{bob.id}}, 200, true},
		{"B562", fine, obj{"allowed_users": list{bob.id}, "ignored_users": list{bob.id}}, 200, true},
		{"whole", whole, obj{"default_action": "block"}, 403, false},
		{"whole", whole, obj{"default_action": "else"}, 200, true},
		{"whole", whole, obj{}, 200, true},
	} {
		t.Run(c.line, func(t *testing.T) {
			alice, bob := *alice, *bob
			alice.t, bob.t = t, t
			alice.put(path("/v3/user", alice.id, "account_data", c.typ), c.config).ok()
			defer func() { alice.put(path("/v3/user", alice.id, "account_data", c.typ), obj{}).ok() }()
			room := bob.createRoom(nil)
			since := alice.now()
			a := bob.about("invite", room, &alice)
			if a.status != c.status {
				t.Errorf("%v: got %d %s, want %d", c.config, a.status, a.raw, c.status)
			}
			if c.status == 403 {
				a.fails(403, "M_INVITE_BLOCKED")
				bob.post("/v3/createRoom", obj{"invite": list{alice.id}}).fails(403, "M_INVITE_BLOCKED")
				bob.put(path("/v3/rooms", room, "state", "m.room.member", alice.id), obj{"membership": "invite"}).fails(403, "M_INVITE_BLOCKED")
				bob.state(room, "m.room.member", alice.id).fails(404)
			}
			for _, a := range []*answer{alice.sync(since, nil), alice.sync("", nil)} {
				if shown := !a.invited(room).missing(); shown != c.shown {
					t.Errorf("%v: %s has the invite: %v", c.config, a.asked, shown)
				}
			}
			if c.shown {
				alice.join(room)
				alice.leave(room)
			}
		})
	}
	t.Run("B563", func(t *testing.T) {
		charlie := newUser(t)
		if a := charlie.sync("", nil); !a.at("rooms", "invite").missing() {
			t.Errorf("no invites: got %v", a.at("rooms"))
		}
		charlie.put(path("/v3/user", charlie.id, "account_data", fine), obj{"allowed_users": list{"@*"}, "blocked_servers": list{"*"}}).ok()
		room := bob.createRoom(nil)
		since := charlie.now()
		bob.invite(room, charlie)
		charlie.soon(since, "the invite", func(a *answer) bool { return !a.invited(room).missing() })
		charlie.join(room)
	})
}
