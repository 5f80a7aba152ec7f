package spec

import (
	"fmt"
	"slices"
	"strings"
)

// standardErrors are the codes that any endpoint may answer with, and with which status: the lists "Common error codes"
// and "Other error codes" of the client-server API, which give no statuses; those are the ones that the endpoints use in
// their examples.
var standardErrors = map[string][]int{
	"M_BAD_JSON":                {400},
	"M_FORBIDDEN":               {403},
	"M_LIMIT_EXCEEDED":          {429},
	"M_MISSING_TOKEN":           {401},
	"M_NOT_FOUND":               {404},
	"M_NOT_JSON":                {400},
	"M_RESOURCE_LIMIT_EXCEEDED": {403, 429, 507},
	"M_UNKNOWN":                 {400, 500, 502, 503, 504},
	"M_UNKNOWN_DEVICE":          {400},
	"M_UNKNOWN_TOKEN":           {401},
	"M_UNRECOGNIZED":            {404, 405},
	"M_USER_LIMIT_EXCEEDED":     {400, 403, 413, 429},
	"M_USER_LOCKED":             {401},
	"M_USER_SUSPENDED":          {403},

	"M_BAD_STATE":                       {400, 403},
	"M_CANNOT_LEAVE_SERVER_NOTICE_ROOM": {403},
	"M_EXCLUSIVE":                       {400, 403},
	"M_GUEST_ACCESS_FORBIDDEN":          {403},
	"M_INCOMPATIBLE_ROOM_VERSION":       {400},
	"M_INVALID_PARAM":                   {400},
	"M_INVALID_ROOM_STATE":              {400},
	"M_INVALID_USERNAME":                {400},
	"M_MISSING_PARAM":                   {400},
	"M_ROOM_IN_USE":                     {400},
	"M_SERVER_NOT_TRUSTED":              {400},
	"M_THREEPID_AUTH_FAILED":            {400},
	"M_THREEPID_DENIED":                 {403},
	"M_THREEPID_IN_USE":                 {400},
	"M_THREEPID_MEDIUM_NOT_SUPPORTED":   {400},
	"M_THREEPID_NOT_FOUND":              {400, 404},
	"M_TOO_LARGE":                       {413},
	"M_UNAUTHORIZED":                    {401, 403},
	"M_UNSUPPORTED_ROOM_VERSION":        {400},
	"M_USER_DEACTIVATED":                {403},
	"M_USER_IN_USE":                     {400},
	"M_WEAK_PASSWORD":                   {400},
	"M_APPSERVICE_LOGIN_UNSUPPORTED":    {400},
}

// standardError checks an answer whose status the operation does not document.
func (c *check) standardError() error {
	side := fmt.Sprint(c.x.Status)
	body, ok := c.json(side)
	if !ok {
		return nil
	}
	code := c.errorBody(side, body)
	if m, _ := body.(map[string]any); m["flows"] != nil {
		c.report(side, "", "asks for user-interactive authentication, which is not documented")
	} else if code != "" && !slices.Contains(standardErrors[code], c.x.Status) {
		c.report(side, "/errcode", "this status is not documented, and "+code+" is not standard with it")
	}
	return nil
}

// errorBody checks what every error must have, and returns the code. Only the first answer of user-interactive
// authentication is without: that nothing was tried yet is no error.
func (c *check) errorBody(side string, body any) (code string) {
	m, ok := body.(map[string]any)
	if !ok {
		c.report(side, "", "no object")
		return ""
	}
	code, _ = m["errcode"].(string)
	if code == "" && m["flows"] != nil {
		return ""
	}
	if words, _ := m["error"].(string); code == "" || words == "" {
		c.report(side, "", "an error without errcode and error")
		return code
	}
	if strings.HasPrefix(code, "M_") && standardErrors[code] == nil && !c.spec.codes[code] {
		c.report(side, "/errcode", code+" is not in the specification")
	}
	if c.x.Status == 429 && c.x.Header.Get("Retry-After") == "" {
		c.report(side, "", "no Retry-After")
	}
	return code
}
