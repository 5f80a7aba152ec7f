package conformance

import (
	"slices"
	"testing"
)

// 39 Thread subscriptions (MSC4306)

const msc4306 = "IO.ELEMENT.MSC4306."

// subscription is the path of a user's subscription to a thread.
func subscription(room, root string) string {
	return path("/unstable/io.element.msc4306/rooms", room, "thread", root, "subscription")
}

// thread is a room of alice's with a thread in it: its root and a reply.
func thread(t *testing.T) (alice *user, room, root, reply string) {
	t.Helper()
	alice = newUser(t)
	room = alice.createRoom(nil)
	root = alice.send(room, "root")
	return alice, room, root, alice.replies(room, root, 1)[0]
}

func TestB564(t *testing.T) {
	alice, room, root, _ := thread(t)
	at := subscription(room, root)
	alice.put(at, obj{}).ok()
	if a := alice.get(at).ok(); !a.equals(obj{"automatic": false}) {
		t.Errorf("got %s", a.raw)
	}
	alice.do("DELETE", at, nil).ok()
	alice.get(at).fails(404, "M_NOT_FOUND")
}

func TestB565(t *testing.T) {
	alice, room, root, reply := thread(t)
	at := subscription(room, root)
	for _, step := range []struct {
		body      obj
		automatic bool
	}{{obj{"automatic": reply}, true}, {obj{}, false}, {obj{"automatic": reply}, false}} {
		alice.put(at, step.body).ok()
		if a := alice.get(at).ok(); !a.equals(obj{"automatic": step.automatic}) {
			t.Errorf("after %v: got %s", step.body, a.raw)
		}
	}
}

func TestB566(t *testing.T) {
	alice, room, root, _ := thread(t)
	other := alice.send(room, "another root")
	elsewhere := alice.replies(room, other, 1)[0]
	at := subscription(room, root)
	for _, cause := range []string{root, other, elsewhere, "$none"} {
		alice.put(at, obj{"automatic": cause}).fails(400, msc4306+"M_NOT_IN_THREAD")
	}
	alice.put(at, obj{"automatic": true}).fails(400, "M_BAD_JSON")
	alice.get(at).fails(404, "M_NOT_FOUND")
}

func TestB567(t *testing.T) {
	alice, room, root, _ := thread(t)
	alice.do("DELETE", subscription(room, root), nil).ok()
	unknown := subscription(room, "$nothing")
	alice.put(unknown, obj{}).fails(404, "M_NOT_FOUND")
	alice.get(unknown).fails(404, "M_NOT_FOUND")
	eve := newUser(t) // who may not see the thread
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		eve.do(method, subscription(room, root), obj{}).fails(404, "M_NOT_FOUND")
	}
}

func TestB568(t *testing.T) {
	alice, room, root, reply := thread(t)
	at := subscription(room, root)
	alice.put(at, obj{}).ok()
	alice.do("DELETE", at, nil).ok()
	alice.put(at, obj{"automatic": reply}).fails(409, msc4306+"M_CONFLICTING_UNSUBSCRIPTION")
	alice.get(at).fails(404, "M_NOT_FOUND")
	alice.put(at, obj{"automatic": alice.replies(room, root, 1)[0]}).ok()
	if a := alice.get(at).ok(); !a.flag("automatic") {
		t.Errorf("got %s", a.raw)
	}
}

func TestB569(t *testing.T) {
	const kind = "/v3/pushrules/global/postcontent/"
	rules := []string{".io.element.msc4306.rule.unsubscribed_thread", ".io.element.msc4306.rule.subscribed_thread"}
	alice, bob, room := pair(t)
	root := alice.send(room, "root")
	since := bob.now()
	reply := alice.replies(room, root, 1)[0]
	unread := func() float64 {
		return bob.sync(since, nil).joined(room).num("unread_notifications", "notification_count")
	}
	if got := bob.get("/v3/pushrules/global/").ok().at("postcontent").all("rule_id"); !slices.Equal(got, rules) {
		t.Errorf("got %v, want %v", got, rules)
	}
	set := func(enabled bool) {
		t.Helper()
		for _, rule := range rules {
			bob.put(kind+rule+"/enabled", obj{"enabled": enabled}).ok()
			if a := bob.get(kind + rule).ok(); a.flag("enabled") != enabled || !a.flag("default") {
				t.Errorf("got %s", a.raw)
			}
		}
	}
	set(true)
	if got := unread(); got != 1 { // the root
		t.Errorf("in a thread that bob has not subscribed to: got %v", got)
	}
	bob.put(subscription(room, root), obj{"automatic": reply}).ok()
	if got := unread(); got != 2 {
		t.Errorf("in one that he has: got %v", got)
	}
	bob.do("DELETE", subscription(room, root), nil).ok()
	set(false)
	if got := unread(); got != 2 {
		t.Errorf("without the rules: got %v", got)
	}
	bob.get(kind+".io.element.msc4306.rule.other").fails(404, "M_NOT_FOUND")
	bob.put(kind+"mine", obj{"actions": list{}}).fails(400, "M_INVALID_PARAM")
}

// slideThreads asks sliding sync for what changed of thread subscriptions, and for nothing else.
func (u *user) slideThreads(pos string, limit int) (next string, changes value) {
	u.t.Helper()
	const name = "io.element.msc4308.thread_subscriptions"
	body := obj{"extensions": obj{name: obj{"enabled": true, "limit": limit}}}
	if pos != "" {
		body["pos"] = pos
	}
	a := u.post("/unstable/org.matrix.simplified_msc3575/sync", body).ok()
	if a.str("pos") == "" {
		u.t.Errorf("no pos: %s", a.raw)
	}
	return a.str("pos"), a.at("extensions", name)
}

func TestB570(t *testing.T) {
	alice, room, root, reply := thread(t)
	other, third := alice.send(room, "another root"), alice.send(room, "a third")
	alice.put(subscription(room, root), obj{"automatic": reply}).ok()
	alice.put(subscription(room, other), obj{}).ok()
	alice.put(subscription(room, third), obj{}).ok()
	_, got := alice.slideThreads("", 2)
	of := got.at("subscribed", room)
	if len(of.keys()) != 2 || !of.at(other).isNumber("bump_stamp") || of.at(third).flag("automatic") || !of.at(third).has("automatic") {
		t.Errorf("got %s", got)
	}
	rest := alice.get("/unstable/io.element.msc4308/thread_subscriptions?dir=b&from=" + got.str("prev_batch")).ok()
	if of := rest.at("subscribed", room); len(of.keys()) != 1 || !of.at(root).flag("automatic") || rest.has("end") {
		t.Errorf("the rest: %s", rest.raw)
	}
}

func TestB571(t *testing.T) {
	alice, room, root, _ := thread(t)
	other := alice.send(room, "another root")
	pos, got := alice.slideThreads("", 2)
	if len(got.keys("subscribed")) != 0 {
		t.Errorf("nothing: got %s", got)
	}
	alice.put(subscription(room, root), obj{}).ok()
	pos, got = alice.slideThreads(pos, 2)
	if of := got.at("subscribed", room); len(of.keys()) != 1 || of.at(root).missing() || got.has("prev_batch") {
		t.Errorf("one: got %s", got)
	}
	alice.put(subscription(room, other), obj{}).ok()
	alice.do("DELETE", subscription(room, root), nil).ok()
	before := pos
	pos, got = alice.slideThreads(pos, 1)
	if of := got.at("unsubscribed", room, root); !of.isNumber("bump_stamp") || got.has("subscribed") {
		t.Errorf("two, of which one is shown: got %s", got)
	}
	rest := alice.get("/unstable/io.element.msc4308/thread_subscriptions?dir=b&from=" + got.str("prev_batch") + "&to=" + before).ok()
	if of := rest.at("subscribed", room); len(of.keys()) != 1 || of.at(other).missing() || rest.has("unsubscribed") {
		t.Errorf("the other: %s", rest.raw)
	}
	if _, got = alice.slideThreads(pos, 1); !got.missing() {
		t.Errorf("no news: got %s", got)
	}
}

// What is between a user and threads is listed, the newest first and in pages (MSC4308).
func TestThreadSubscriptionsInPages(t *testing.T) {
	const all = "/unstable/io.element.msc4308/thread_subscriptions?dir=b"
	alice, room, root, reply := thread(t)
	if a := alice.get(all).ok(); !a.equals(obj{}) {
		t.Errorf("nothing: got %s", a.raw)
	}
	before := alice.now()
	alice.put(subscription(room, root), obj{"automatic": reply}).ok()
	other, third := alice.send(room, "another root"), alice.send(room, "a third")
	alice.put(subscription(room, other), obj{}).ok()
	between := alice.now()
	alice.put(subscription(room, third), obj{}).ok()
	alice.do("DELETE", subscription(room, other), nil).ok()

	first := alice.get(all + "&limit=1&to=" + before).ok()
	if first.str("end") == "" || !first.at("unsubscribed", room, other).isNumber("bump_stamp") || first.has("subscribed") {
		t.Errorf("first page: %s", first.raw)
	}
	second := alice.get(all + "&limit=1&to=" + before + "&from=" + first.str("end")).ok()
	if second.str("end") == "" || second.at("subscribed", room, third).flag("automatic") || len(second.keys("subscribed", room)) != 1 {
		t.Errorf("second page: %s", second.raw)
	}
	last := alice.get(all + "&to=" + before + "&from=" + second.str("end")).ok()
	if got := last.at("subscribed", room); last.has("end") || !got.flag(root, "automatic") || !got.at(root).isNumber("bump_stamp") || len(got.keys()) != 1 {
		t.Errorf("last page: %s", last.raw)
	}
	if a := alice.get(all + "&to=" + between).ok(); len(a.keys("subscribed", room)) != 1 || len(a.keys("unsubscribed", room)) != 1 {
		t.Errorf("since: %s", a.raw)
	}
	if a := alice.get(all).ok(); len(a.keys("subscribed", room)) != 2 || a.has("unsubscribed") {
		t.Errorf("all: %s", a.raw)
	}
	for _, bad := range []string{"&limit=0", "&from=x", "&to=x"} {
		alice.get(all + bad).fails(400)
	}
	alice.get("/unstable/io.element.msc4308/thread_subscriptions?dir=f").fails(400, "M_INVALID_PARAM")
	alice.get("/unstable/io.element.msc4308/thread_subscriptions").fails(400, "M_INVALID_PARAM")
}
