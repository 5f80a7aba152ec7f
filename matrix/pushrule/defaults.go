package pushrule

import (
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// defaultRule is one of the server's rules. In conditions and pattern, $USER stands for the user's id and $LOCALPART for
// its local part.
type defaultRule struct {
	id         string
	off        bool // not enabled unless the user says so
	first      bool // before the user's own rules
	legacy     bool // looks for mentions in the text: not applied to an event that has m.mentions
	conditions string
	pattern    string
	actions    string
}

// What the rules do.
const (
	silent    = `[]`
	notify    = `["notify"]`
	sound     = `["notify",{"set_tweak":"sound","value":"default"}]`
	ring      = `["notify",{"set_tweak":"sound","value":"ring"}]`
	highlight = `["notify",{"set_tweak":"highlight"}]`
	loud      = `["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight"}]`
)

// defaults are the predefined rules of v1.19 (Client-Server API, "Predefined Rules"), most important first, and:
//
//   - the three rules that look for mentions in the text, removed from the specification in v1.17, in the places they
//     had in v1.16, because clients still send messages without m.mentions;
//   - the rules for polls of MSC3930;
//   - those for threads of MSC4306. They are off until a client turns them on: with them a thread is silent until it is
//     subscribed to, and the users of clients that cannot do that would miss what they are written.
var defaults = [kinds][]defaultRule{
	Override: {
		{id: ".m.rule.master", off: true, first: true, conditions: `[]`, actions: silent},
		{id: ".m.rule.suppress_notices", conditions: `[{"key":"content.msgtype","kind":"event_match","pattern":"m.notice"}]`, actions: silent},
		{id: ".m.rule.invite_for_me", conditions: `[` + isType("m.room.member") + `,` +
			`{"key":"content.membership","kind":"event_match","pattern":"invite"},` +
			`{"key":"state_key","kind":"event_match","pattern":"$USER"}]`, actions: sound},
		{id: ".m.rule.member_event", conditions: `[` + isType("m.room.member") + `]`, actions: silent},
		{id: ".m.rule.is_user_mention", conditions: `[{"key":"content.m\\.mentions.user_ids","kind":"event_property_contains","value":"$USER"}]`, actions: loud},
		{id: ".m.rule.contains_display_name", legacy: true, conditions: `[{"kind":"contains_display_name"}]`, actions: loud},
		{id: ".m.rule.is_room_mention", conditions: `[{"key":"content.m\\.mentions.room","kind":"event_property_is","value":true},` +
			mayNotifyRoom + `]`, actions: highlight},
		{id: ".m.rule.roomnotif", legacy: true, conditions: `[{"key":"content.body","kind":"event_match","pattern":"@room"},` +
			mayNotifyRoom + `]`, actions: highlight},
		{id: ".m.rule.tombstone", conditions: `[` + isType("m.room.tombstone") + `,` + noStateKey + `]`, actions: highlight},
		{id: ".m.rule.reaction", conditions: `[` + isType("m.reaction") + `]`, actions: silent},
		{id: ".m.rule.room.server_acl", conditions: `[` + isType("m.room.server_acl") + `,` + noStateKey + `]`, actions: silent},
		{id: ".m.rule.suppress_edits", conditions: `[{"key":"content.m\\.relates_to.rel_type","kind":"event_property_is","value":"m.replace"}]`, actions: silent},
		{id: ".org.matrix.msc3930.rule.poll_response", conditions: `[` + isType("org.matrix.msc3381.poll.response") + `]`, actions: silent},
	},
	Content: {
		{id: ".m.rule.contains_user_name", legacy: true, pattern: "$LOCALPART", actions: loud},
	},
	PostContent: {
		{id: ".io.element.msc4306.rule.unsubscribed_thread", off: true, conditions: `[{"kind":"` + threadSubscription + `","subscribed":false}]`, actions: silent},
		{id: ".io.element.msc4306.rule.subscribed_thread", off: true, conditions: `[{"kind":"` + threadSubscription + `","subscribed":true}]`, actions: sound},
	},
	Underride: {
		{id: ".m.rule.call", conditions: `[` + isType("m.call.invite") + `]`, actions: ring},
		{id: ".m.rule.encrypted_room_one_to_one", conditions: `[` + twoMembers + `,` + isType("m.room.encrypted") + `]`, actions: sound},
		{id: ".m.rule.room_one_to_one", conditions: `[` + twoMembers + `,` + isType("m.room.message") + `]`, actions: sound},
		{id: ".org.matrix.msc3930.rule.poll_start_one_to_one", conditions: `[` + twoMembers + `,` + isType("org.matrix.msc3381.poll.start") + `]`, actions: sound},
		{id: ".org.matrix.msc3930.rule.poll_end_one_to_one", conditions: `[` + twoMembers + `,` + isType("org.matrix.msc3381.poll.end") + `]`, actions: sound},
		{id: ".m.rule.message", conditions: `[` + isType("m.room.message") + `]`, actions: notify},
		{id: ".m.rule.encrypted", conditions: `[` + isType("m.room.encrypted") + `]`, actions: notify},
		{id: ".org.matrix.msc3930.rule.poll_start", conditions: `[` + isType("org.matrix.msc3381.poll.start") + `]`, actions: notify},
		{id: ".org.matrix.msc3930.rule.poll_end", conditions: `[` + isType("org.matrix.msc3381.poll.end") + `]`, actions: notify},
	},
}

const (
	mayNotifyRoom = `{"key":"room","kind":"sender_notification_permission"}`
	twoMembers    = `{"is":"2","kind":"room_member_count"}`
	noStateKey    = `{"key":"state_key","kind":"event_match","pattern":""}`
)

func isType(t string) string { return `{"key":"type","kind":"event_match","pattern":"` + t + `"}` }

// rule is the rule as the user sees it.
func (d *defaultRule) rule(user id.User) Rule {
	r := Rule{ID: d.id, Default: true, Enabled: !d.off, Actions: []byte(d.actions)}
	if d.conditions != "" {
		conditions := d.conditions
		if strings.Contains(conditions, `"$USER"`) {
			conditions = strings.ReplaceAll(conditions, `"$USER"`, string(canon.AppendString(nil, user)))
		}
		r.Conditions = []byte(conditions)
	}
	if d.pattern == "$LOCALPART" {
		r.Pattern = user.Localpart()
	}
	return r
}

func findDefault(k Kind, rule string) *defaultRule {
	for i := range defaults[k] {
		if defaults[k][i].id == rule {
			return &defaults[k][i]
		}
	}
	return nil
}
