package room

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// object is the members of a stored content, which is an object.
func object(content []byte) map[string]any {
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(content, &raw) // it was parsed when it was taken
	members := make(map[string]any, len(raw))
	for k, v := range raw {
		members[k] = v
	}
	return members
}

// restated drafts state that comes from another room, without what the room version does not take.
func restated(typ string, v *version.Version, content map[string]any) Draft {
	if v.StrictJSON {
		for k, value := range content {
			if raw, ok := value.(json.RawMessage); ok {
				if _, err := canon.Canonical(raw, canon.Strict); err != nil {
					delete(content, k)
				}
			}
		}
	}
	raw, _ := json.Marshal(content) // as in state
	return Draft{Type: typ, StateKey: new(string), Content: raw}
}

// transferable are the types of state that come along as they are, in the specification's order.
var transferable = []string{
	"m.room.server_acl", "m.room.encryption", "m.room.name", "m.room.avatar", "m.room.topic", "m.room.guest_access",
	"m.room.history_visibility", "m.room.canonical_alias", "m.room.policy",
}

// relocated lists what the new room begins with. The power levels come last: until then the creator may do everything, also
// one whose level in the room is just that of its moderators.
func (r *Rooms) relocated(ctx context.Context, old *settings, user id.User, v *version.Version, q *UpgradeRequest, last id.Event) ([]Draft, error) {
	create := map[string]any{}
	given := object(old.get(keyCreate.Type).Content())
	for _, key := range []string{"type", "m.federate"} {
		if value, ok := given[key]; ok {
			create[key] = value
		}
	}
	before := map[string]any{"room_id": old.head.room}
	if last != "" {
		before["event_id"] = last
	}
	create["predecessor"] = before
	create["room_version"] = v.ID
	if !v.ImplicitCreator {
		create["creator"] = user
	}
	var creators []id.User
	if v.CreatorsPrivileged {
		if creators = q.AdditionalCreators; len(creators) > 0 {
			create["additional_creators"] = creators
		}
		creators = append([]id.User{user}, creators...)
	}
	join, err := r.memberContent(ctx, user, "join", "", nil)
	if err != nil {
		return nil, err
	}
	drafts := []Draft{restated(keyCreate.Type, v, create), state("m.room.member", string(user), join)}
	drafts[0].Timestamp = r.createTime()
	if rules := old.get(keyJoinRules.Type); rules != nil {
		drafts = append(drafts, joinRulesIn(v, rules.Content()))
	}
	for _, typ := range transferable {
		if e := old.get(typ); e != nil {
			drafts = append(drafts, restated(typ, v, object(e.Content())))
		}
	}
	if old.get("m.room.guest_access") == nil { // what is so without it, too; but others wait to see it before they call the room whole
		drafts = append(drafts, state("m.room.guest_access", "", map[string]any{"guest_access": "forbidden"}))
	}
	for _, e := range old.links {
		d := restated(e.Type(), v, object(e.Content()))
		key, _ := e.StateKey()
		d.StateKey = &key
		drafts = append(drafts, d)
	}
	for _, e := range old.bans {
		key, _ := e.StateKey()
		if slices.Contains(creators, id.User(key)) {
			continue
		}
		content := map[string]any{"membership": "ban"}
		if reason := textIn(e.Content(), "reason"); reason != "" {
			content["reason"] = reason
		}
		drafts = append(drafts, state("m.room.member", key, content))
	}
	return append(drafts, movedLevels(old, user, v, creators)), nil
}

// joinRulesIn drafts the join rules. One that the new version does not know becomes what it would have stood for anyway.
func joinRulesIn(v *version.Version, content []byte) Draft {
	rule := textIn(content, "join_rule")
	known := v.KnockRule || rule != authrule.RuleKnock
	known = known && (v.RestrictedJoin || rule != authrule.RuleRestricted)
	known = known && (v.KnockRestricted || rule != authrule.RuleKnockRestricted)
	if !known {
		return state(keyJoinRules.Type, "", map[string]any{"join_rule": authrule.RuleInvite})
	}
	return restated(keyJoinRules.Type, v, object(content))
}

// movedLevels drafts the new room's power levels: those of the old one, in a form that the new version takes.
func movedLevels(old *settings, user id.User, v *version.Version, creators []id.User) Draft {
	power := old.get(keyPower.Type)
	if power == nil {
		return state(keyPower.Type, "", powerLevels(user, v, &CreateRequest{}))
	}
	content := object(power.Content())
	highest := authrule.Level(100)
	for key, value := range content {
		raw, _ := value.(json.RawMessage)
		switch key {
		case "users", "events", "notifications":
			levels := map[string]authrule.Level{}
			var members map[string]json.RawMessage
			if json.Unmarshal(raw, &members) != nil {
				delete(content, key)
				continue
			}
			for name, value := range members {
				if key == "users" {
					if u, err := id.ParseUser(name); err != nil || slices.Contains(creators, u) {
						continue
					}
				}
				if level, ok := integer(value); ok {
					levels[name] = level
					highest = max(highest, level)
				}
			}
			content[key] = levels
		case "users_default", "events_default", "state_default", "ban", "redact", "kick", "invite":
			level, ok := integer(raw)
			if !ok {
				delete(content, key)
				continue
			}
			content[key] = level
			highest = max(highest, level)
		}
	}
	if !v.CreatorsPrivileged && old.head.state.Level(user) == authrule.CreatorLevel {
		users, _ := content["users"].(map[string]authrule.Level)
		if users == nil {
			users = map[string]authrule.Level{}
		}
		users[string(user)] = highest // whose power was above all numbers
		content["users"] = users
	}
	return restated(keyPower.Type, v, content)
}

// maxLevel is the highest power level that every room version takes.
const maxLevel = 1<<53 - 1

// integer reads a power level in any form that some room version takes, as one that all take.
func integer(raw json.RawMessage) (authrule.Level, bool) {
	text := strings.TrimSpace(strings.Trim(string(raw), `"`))
	var number float64
	if json.Unmarshal([]byte(strings.TrimPrefix(text, "+")), &number) != nil {
		return 0, false
	}
	return authrule.Level(max(-maxLevel, min(maxLevel, number))), true
}
