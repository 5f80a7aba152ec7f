package csapi

import "encoding/json"

// PushRulesRequest is GET /pushrules/ and GET /pushrules/global/.
type PushRulesRequest struct{}

// PushRuleRequest is GET and DELETE /pushrules/global/{kind}/{ruleId}, and GET of its /enabled and /actions.
type PushRuleRequest struct {
	Kind string `path:"kind"`
	Rule string `path:"ruleID"`
}

// SetPushRuleRequest is PUT /pushrules/global/{kind}/{ruleId}. Body is the rule: actions and, as the kind has it,
// conditions or a pattern.
type SetPushRuleRequest struct {
	Kind   string          `path:"kind"`
	Rule   string          `path:"ruleID"`
	Before string          `query:"before"`
	After  string          `query:"after"`
	Body   json.RawMessage `body:"raw"`
}

// PushRuleEnabled is whether a rule is in force.
type PushRuleEnabled struct {
	Enabled bool `json:"enabled"`
}

// SetPushRuleEnabledRequest is PUT .../enabled.
type SetPushRuleEnabledRequest struct {
	Kind    string `path:"kind"`
	Rule    string `path:"ruleID"`
	Enabled *bool  `json:"enabled"`
}

// PushRuleActions is what a rule does.
type PushRuleActions struct {
	Actions json.RawMessage `json:"actions"`
}

// SetPushRuleActionsRequest is PUT .../actions.
type SetPushRuleActionsRequest struct {
	Kind    string          `path:"kind"`
	Rule    string          `path:"ruleID"`
	Actions json.RawMessage `json:"actions"`
}
