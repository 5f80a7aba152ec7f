package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/pushrule"
)

// "Push Rules"
// https://spec.matrix.org/v1.19/client-server-api/#push-rules
func (a *API) pushRuleRows() []route.Row[Call] {
	const (
		all  = "/_matrix/client/v3/pushrules/"
		rule = "/_matrix/client/v3/pushrules/global/{kind}/{ruleID}"
	)
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: all, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.pushRules)},
		{Method: http.MethodGet, Path: all + "global/", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.globalPushRules)},
		{Method: http.MethodGet, Path: rule, Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.pushRule)},
		{Method: http.MethodPut, Path: rule, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setPushRule)},
		{Method: http.MethodDelete, Path: rule, Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.dropPushRule)},
		{Method: http.MethodGet, Path: rule + "/enabled", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.pushRuleEnabled)},
		{Method: http.MethodPut, Path: rule + "/enabled", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.enablePushRule)},
		{Method: http.MethodGet, Path: rule + "/actions", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.pushRuleActions)},
		{Method: http.MethodPut, Path: rule + "/actions", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setPushRuleActions)},
	}
}

func (a *API) pushRules(ctx context.Context, c *Call, _ *csapi.PushRulesRequest) (*route.Bytes, error) {
	rules, err := a.People.PushRules(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	return asBytes(rules.JSON(c.Session.User)), nil
}

func (a *API) globalPushRules(ctx context.Context, c *Call, _ *csapi.PushRulesRequest) (*route.Bytes, error) {
	rules, err := a.People.PushRules(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	return asBytes(rules.Global(c.Session.User)), nil
}

func asBytes(b []byte) *route.Bytes { return (*route.Bytes)(&b) }

// findPushRule finds the rule that a path names.
func (a *API) findPushRule(ctx context.Context, c *Call, kind, name string) (pushrule.Rule, pushrule.Kind, error) {
	k, err := pushrule.ParseKind(kind)
	if err != nil {
		return pushrule.Rule{}, k, err
	}
	rules, err := a.People.PushRules(ctx, c.Session.User)
	if err != nil {
		return pushrule.Rule{}, k, err
	}
	rule, err := rules.Rule(c.Session.User, k, name)
	return rule, k, err
}

func (a *API) pushRule(ctx context.Context, c *Call, r *csapi.PushRuleRequest) (*route.Bytes, error) {
	rule, k, err := a.findPushRule(ctx, c, r.Kind, r.Rule)
	if err != nil {
		return nil, err
	}
	return asBytes(rule.Append(nil, k)), nil
}

func (a *API) pushRuleEnabled(ctx context.Context, c *Call, r *csapi.PushRuleRequest) (*csapi.PushRuleEnabled, error) {
	rule, _, err := a.findPushRule(ctx, c, r.Kind, r.Rule)
	return &csapi.PushRuleEnabled{Enabled: rule.Enabled}, err
}

func (a *API) pushRuleActions(ctx context.Context, c *Call, r *csapi.PushRuleRequest) (*csapi.PushRuleActions, error) {
	rule, _, err := a.findPushRule(ctx, c, r.Kind, r.Rule)
	return &csapi.PushRuleActions{Actions: rule.Actions}, err
}

// changePushRules edits the caller's rules of one kind.
func (a *API) changePushRules(ctx context.Context, c *Call, kind string, edit func(s *pushrule.Ruleset, k pushrule.Kind) (*pushrule.Ruleset, error)) (*csapi.Empty, error) {
	k, err := pushrule.ParseKind(kind)
	if err != nil {
		return nil, err
	}
	return nil, a.People.ChangePushRules(ctx, c.Session.User, func(s *pushrule.Ruleset) (*pushrule.Ruleset, error) { return edit(s, k) })
}

func (a *API) setPushRule(ctx context.Context, c *Call, r *csapi.SetPushRuleRequest) (*csapi.Empty, error) {
	return a.changePushRules(ctx, c, r.Kind, func(s *pushrule.Ruleset, k pushrule.Kind) (*pushrule.Ruleset, error) {
		return s.Put(k, r.Rule, r.Before, r.After, r.Body)
	})
}

func (a *API) dropPushRule(ctx context.Context, c *Call, r *csapi.PushRuleRequest) (*csapi.Empty, error) {
	return a.changePushRules(ctx, c, r.Kind, func(s *pushrule.Ruleset, k pushrule.Kind) (*pushrule.Ruleset, error) {
		return s.Delete(k, r.Rule)
	})
}

func (a *API) enablePushRule(ctx context.Context, c *Call, r *csapi.SetPushRuleEnabledRequest) (*csapi.Empty, error) {
	if r.Enabled == nil {
		return nil, fault.New(fault.MissingParam, "enabled is missing")
	}
	return a.changePushRules(ctx, c, r.Kind, func(s *pushrule.Ruleset, k pushrule.Kind) (*pushrule.Ruleset, error) {
		return s.SetEnabled(k, r.Rule, *r.Enabled)
	})
}

func (a *API) setPushRuleActions(ctx context.Context, c *Call, r *csapi.SetPushRuleActionsRequest) (*csapi.Empty, error) {
	if r.Actions == nil {
		return nil, fault.New(fault.MissingParam, "actions are missing")
	}
	return a.changePushRules(ctx, c, r.Kind, func(s *pushrule.Ruleset, k pushrule.Kind) (*pushrule.Ruleset, error) {
		return s.SetActions(k, r.Rule, r.Actions)
	})
}
