package notify

import (
	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// Heard is what one user hears of an event.
type Heard struct {
	User   id.User
	Result pushrule.Result
}

// Listener judges the events of one room for many users, in one transaction. What the rules of all have in common is done
// once for each event.
type Listener struct {
	n        *Notify
	tx       *sqldb.Tx
	occasion occasion
	users    []id.User
	groups   []group // of the users; made when they are first needed
	rules    map[id.User]*pushrule.Ruleset
	ignored  map[id.User]map[id.User]bool
}

// group is users for whom the same program judges.
type group struct {
	program *pushrule.Program
	users   []id.User
}

// Listen makes a Listener for users.
func (n *Notify) Listen(tx *sqldb.Tx, in room.NID, users []id.User) *Listener {
	return &Listener{
		n: n, tx: tx, occasion: occasion{n: n, tx: tx, room: in}, users: users,
		rules: map[id.User]*pushrule.Ruleset{}, ignored: map[id.User]map[id.User]bool{},
	}
}

// Hear says whom of the users the event notifies: not its sender, and not who ignores her.
func (l *Listener) Hear(e *room.Stored) ([]Heard, error) {
	if len(l.users) > 0 && l.groups == nil {
		var err error
		if l.groups, err = l.group(l.users); err != nil {
			return nil, err
		}
	}
	return l.hear(e, l.groups)
}

// HearAs is Hear for one user, who need not be one of the listener's.
func (l *Listener) HearAs(e *room.Stored, user id.User) ([]Heard, error) {
	groups, err := l.group([]id.User{user})
	if err != nil {
		return nil, err
	}
	return l.hear(e, groups)
}

// group puts those together who have changed nothing: nearly all.
func (l *Listener) group(users []id.User) ([]group, error) {
	var untouched []id.User
	var groups []group
	for _, user := range users {
		rules, err := l.rulesOf(user)
		if err != nil {
			return nil, err
		}
		if program := rules.Compile(); program == pushrule.Default() {
			untouched = append(untouched, user)
		} else {
			groups = append(groups, group{program, []id.User{user}})
		}
	}
	return append(groups, group{pushrule.Default(), untouched}), nil
}

func (l *Listener) hear(e *room.Stored, groups []group) ([]Heard, error) {
	if e.RedactedBy != 0 || len(groups) == 0 {
		return nil, nil
	}
	occasion, err := l.occasion.of(e)
	if err != nil {
		return nil, err
	}
	h := hearing{l: l, e: e, flat: flatten(e), occasion: occasion}
	for _, g := range groups {
		if err := h.of(g); err != nil {
			return nil, err
		}
	}
	return h.heard, nil
}

// hearing is what comes of one event.
type hearing struct {
	l        *Listener
	e        *room.Stored
	flat     *pushrule.Event
	occasion pushrule.Occasion
	thread   string // which thread it is in,
	looked   bool   // if anybody has asked
	heard    []Heard
}

func (h *hearing) of(g group) error {
	if len(g.users) == 0 {
		return nil
	}
	threads := h.l.rules[g.users[0]].Threads() // alike for all of them
	if threads && !h.looked {
		var err error
		if h.thread, err = h.l.n.threadOf(h.l.tx, h.e); err != nil {
			return err
		}
		h.looked, h.occasion.Thread = true, h.thread != Main
	}
	on := g.program.On(h.flat, h.occasion)
	if on.Silent() {
		return nil
	}
	for _, user := range g.users {
		if sender := h.e.Event.Sender(); user == sender || h.l.ignored[user][sender] {
			continue
		}
		self, err := h.reader(user, threads)
		if err != nil {
			return err
		}
		if result := on.For(self); result.Notify {
			h.heard = append(h.heard, Heard{User: user, Result: result})
		}
	}
	return nil
}

// reader is a user as the rules want to know her.
func (h *hearing) reader(user id.User, threads bool) (self pushrule.Reader, err error) {
	l := h.l
	self.User = user
	member, err := l.n.Rooms.StateEvent(l.tx, h.e.State, "m.room.member", string(user))
	if err != nil {
		return self, err
	}
	if member != nil {
		if self.DisplayName, err = l.n.Rooms.DisplayName(l.tx, member.NID); err != nil {
			return self, err
		}
	}
	if h.occasion.Thread && threads {
		self.Subscribed, err = l.n.Threads.Subscribed(l.tx, user, h.e.Event.Room(), id.Event(h.thread))
	}
	return self, err
}

func (l *Listener) rulesOf(user id.User) (*pushrule.Ruleset, error) {
	if rules := l.rules[user]; rules != nil {
		return rules, nil
	}
	rules, err := l.n.People.Rules(l.tx, user)
	if err != nil {
		return nil, err
	}
	l.rules[user] = rules
	l.ignored[user], err = l.n.People.Ignored(l.tx, user)
	return rules, err
}

// HasRead says whether the user has read as far as an event, by her receipts for the room or for its thread.
func (n *Notify) HasRead(tx *sqldb.Tx, user id.User, s *room.Standing, e *room.Stored) (bool, error) {
	m, err := n.read(tx, user, s)
	if err != nil || e.Pos <= m.everything {
		return err == nil, err
	}
	thread, err := n.threadOf(tx, e)
	return e.Pos <= m.threads[thread], err
}
