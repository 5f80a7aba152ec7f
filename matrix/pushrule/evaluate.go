package pushrule

import (
	"strings"

	"freehold.example/matrix/canon"
)

// Occasion is what the rules want to know about the room at the time of the event.
type Occasion struct {
	Members     int              // joined members
	SenderLevel int64            // the sender's power level; a version 12 creator's is math.MaxInt64
	Levels      map[string]int64 // notifications of m.room.power_levels; what is missing is 50
	Thread      bool             // the event is in a thread
}

// defaultNotifyLevel is the power it takes to notify a room where m.room.power_levels does not say.
const defaultNotifyLevel = 50

// Ready is a Program that has looked at an event: the rules that may still match, in order. It is for one goroutine at
// a time, and for as long as its Event.
type Ready struct {
	event *Event
	rules []*compiled
}

// On does what is the same for all users of the program.
func (p *Program) On(e *Event, o Occasion) *Ready {
	r := &Ready{event: e}
	for i := range p.rules {
		c := &p.rules[i]
		if c.legacy && e.mentions || !e.possible(c.personal, &o) || !e.all(c.static, &o) {
			continue
		}
		r.rules = append(r.rules, c)
		if len(c.personal) == 0 {
			break // matches for everybody: nothing below it counts
		}
	}
	return r
}

// For says what one user hears of the event. The sender hears nothing of it.
func (r *Ready) For(u Reader) Result {
	if u.User == r.event.sender {
		return Result{}
	}
	for _, c := range r.rules {
		if r.event.allPersonal(c.personal, &u) {
			return c.result
		}
	}
	return Result{}
}

// Silent says whether nobody hears of the event, whoever asks.
func (r *Ready) Silent() bool {
	for _, c := range r.rules {
		if c.result.Notify {
			return false
		}
	}
	return true
}

// Quiet says whether nobody hears of the event on any occasion, outside of threads. It may say no of one that is quiet.
func (p *Program) Quiet(e *Event) bool {
	for i := range p.rules {
		c := &p.rules[i]
		if c.legacy && e.mentions || !e.possible(c.personal, &Occasion{}) {
			continue
		}
		always, never := len(c.personal) == 0, false
		for k := range c.static {
			switch on := &c.static[k]; {
			case on.op == opMembers || on.op == opPower: // who knows
				always = false
			case !e.holds(on, nil):
				never = true
			}
		}
		switch {
		case never:
		case c.result.Notify:
			return false
		case always:
			return true
		}
	}
	return true
}

// Evaluate is On and For in one, for a program that one user has.
func (p *Program) Evaluate(e *Event, o Occasion, u Reader) Result { return p.On(e, o).For(u) }

func (e *Event) all(conditions []condition, o *Occasion) bool {
	for i := range conditions {
		if !e.holds(&conditions[i], o) {
			return false
		}
	}
	return true
}

// holds says whether a condition that is the same for all holds.
func (e *Event) holds(c *condition, o *Occasion) bool {
	switch c.op {
	case opWord:
		return e.body != nil && c.glob.within(e.body)
	case opMembers:
		return c.lo <= o.Members && o.Members <= c.hi
	case opPower:
		need, ok := o.Levels[c.key]
		if !ok {
			need = defaultNotifyLevel
		}
		return o.SenderLevel >= need
	case opGlob, opIs, opContains:
		f := e.fields[c.key]
		return f != nil && f.holds(c)
	default:
		return false
	}
}

func (f *field) holds(c *condition) bool {
	switch c.op {
	case opGlob:
		t := f.text()
		return t != nil && c.glob.match(t.s)
	case opIs:
		return string(f.raw) == c.value
	default:
		for a := canon.OpenArray(f.raw); ; {
			v, ok := a.Next()
			if !ok {
				return false
			}
			if string(v) == c.value {
				return true
			}
		}
	}
}

// possible says whether conditions could hold for anybody.
func (e *Event) possible(conditions []condition, o *Occasion) bool {
	for i := range conditions {
		switch conditions[i].op {
		case opName, opUserName:
			if e.body == nil {
				return false
			}
		case opMentioned:
			if e.mentioned == nil {
				return false
			}
		case opUserState:
			if e.stateKey == "" {
				return false
			}
		case opSubscribed, opUnsubscribed:
			if !o.Thread {
				return false
			}
		default: // the same for all: holds decides
		}
	}
	return true
}

// allPersonal says whether the conditions hold for one user; possible has said that they could.
func (e *Event) allPersonal(conditions []condition, u *Reader) bool {
	for i := range conditions {
		var ok bool
		switch conditions[i].op {
		case opName:
			ok = e.body.says(strings.ToLower(u.DisplayName))
		case opUserName:
			ok = e.body.says(strings.ToLower(u.User.Localpart()))
		case opMentioned:
			_, ok = e.mentioned[string(u.User)]
		case opUserState:
			ok = e.stateKey == u.User
		case opSubscribed:
			ok = u.Subscribed
		case opUnsubscribed:
			ok = !u.Subscribed
		default: // not personal
		}
		if !ok {
			return false
		}
	}
	return true
}
