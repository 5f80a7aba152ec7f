package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"freehold.example/core/account"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func text(n int) *string {
	s := strconv.Itoa(n)
	return &s
}

// PutUserRequest is PUT /_synapse/admin/v2/users/{userID}. What is absent stays as it is.
type PutUserRequest struct {
	User        id.User         `path:"userID" json:"-"`
	Password    *string         `json:"password"`
	Logout      *bool           `json:"logout_devices"` // with a new password; true unless told otherwise
	DisplayName *string         `json:"displayname"`
	Avatar      *string         `json:"avatar_url"`
	Admin       *bool           `json:"admin"`
	Deactivated *bool           `json:"deactivated"`
	Locked      *bool           `json:"locked"`
	Suspended   *bool           `json:"suspended"`
	ThreePIDs   json.RawMessage `json:"threepids"`
	ExternalIDs json.RawMessage `json:"external_ids"`
	UserType    *string         `json:"user_type"`
}

func (r *PutUserRequest) deed() (string, any) {
	p := map[string]any{}
	put(p, "displayname", r.DisplayName)
	put(p, "avatar_url", r.Avatar)
	put(p, "admin", r.Admin)
	put(p, "deactivated", r.Deactivated)
	put(p, "locked", r.Locked)
	put(p, "suspended", r.Suspended)
	put(p, "logout_devices", r.Logout)
	if r.Password != nil {
		p["password"] = "set" // what it is, is not written down
	}
	return string(r.User), p
}

// put adds a value that was given.
func put[T any](p map[string]any, key string, v *T) {
	if v != nil {
		p[key] = *v
	}
}

// given is what a deed was done with when it is one value.
func given[T any](key string, v *T) map[string]any {
	p := map[string]any{}
	put(p, key, v)
	return p
}

// none says whether a list that this server can keep nothing of is empty.
func none(list json.RawMessage) bool {
	var all []json.RawMessage
	return len(list) == 0 || json.Unmarshal(list, &all) == nil && len(all) == 0
}

// check refuses what cannot be done before anything is.
func (r *PutUserRequest) check(by By, acc *account.Account) error {
	closed := acc != nil && !acc.Deactivated.IsZero()
	switch {
	case !none(r.ThreePIDs):
		return fault.New(fault.ThreePIDNotSupported, "This server keeps no e-mail addresses and phone numbers; leave threepids out, or empty")
	case !none(r.ExternalIDs):
		return fault.New(fault.InvalidParam, "This server has no other ways to sign in; leave external_ids out, or empty")
	case r.UserType != nil && *r.UserType != "":
		return fault.New(fault.InvalidParam, "This server has no types of users; leave user_type out, or null")
	case r.Deactivated != nil && *r.Deactivated && acc == nil:
		return fault.New(fault.NotFound, "There is no such user")
	case r.User == by.User && (is(r.Admin, false) || is(r.Deactivated, true) || is(r.Locked, true) || is(r.Suspended, true)):
		return fault.New(fault.Forbidden, "You cannot take your own rights away")
	case closed && !is(r.Deactivated, true) && (r.Deactivated == nil || r.Password == nil):
		return fault.New(fault.InvalidParam, "This account is deactivated: to open it again, send deactivated false and a password")
	case (is(r.Locked, true) || is(r.Suspended, true)) && (is(r.Admin, true) || r.Admin == nil && acc != nil && acc.Admin):
		return fault.New(fault.Forbidden, "Administrators can be neither locked nor suspended")
	}
	return nil
}

func is(v *bool, want bool) bool { return v != nil && *v == want }

// putUser makes an account or changes one, step by step: what was done before a step that fails stays done.
func (a *API) putUser(ctx context.Context, by By, r *PutUserRequest) (*UserResponse, error) {
	acc, err := a.known(ctx, r.User)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err := r.check(by, acc); err != nil {
		return nil, err
	}
	made := acc == nil
	switch {
	case made:
		err = a.makeUser(ctx, r)
	case is(r.Deactivated, true) && acc.Deactivated.IsZero():
		err = a.Accounts.Deactivate(ctx, r.User, false)
	case is(r.Deactivated, false) && !acc.Deactivated.IsZero():
		err = a.Accounts.Reopen(ctx, r.User, *r.Password)
	case r.Password != nil && acc.Deactivated.IsZero():
		err = a.newPassword(ctx, by, r.User, *r.Password, r.Logout)
	}
	if err == nil && !is(r.Deactivated, true) {
		err = a.changeUser(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	out, err := a.user(ctx, &UserRequest{User: r.User})
	if err == nil && made {
		out.status = http.StatusCreated
	}
	return out, err
}

func (a *API) makeUser(ctx context.Context, r *PutUserRequest) error {
	if made, ok := a.Accounts.Named(string(r.User)); !ok || made != r.User {
		return fault.New(fault.InvalidUsername, "A user id has no capital letters")
	}
	q := account.RegisterRequest{Name: r.User.Localpart(), Admin: is(r.Admin, true), NoLogin: true, Service: r.Password == nil}
	if r.Password != nil {
		q.Password = *r.Password
	}
	_, err := a.Accounts.Register(ctx, q)
	return err
}

func (a *API) changeUser(ctx context.Context, r *PutUserRequest) error {
	for field, value := range map[string]*string{"displayname": r.DisplayName, "avatar_url": r.Avatar} {
		if value == nil {
			continue
		}
		raw, err := json.Marshal(*value)
		if err != nil {
			return err
		}
		if err := a.People.SetField(ctx, r.User, field, raw); err != nil {
			return err
		}
	}
	for _, change := range []struct {
		to  *bool
		set func(context.Context, id.User, bool) error
	}{{r.Admin, a.Accounts.SetAdmin}, {r.Locked, a.Accounts.SetLocked}, {r.Suspended, a.Accounts.SetSuspended}} {
		if change.to == nil {
			continue
		}
		if err := change.set(ctx, r.User, *change.to); err != nil {
			return err
		}
	}
	return nil
}

// AdminResponse says whether a user is an administrator.
type AdminResponse struct {
	Admin bool `json:"admin"`
}

func (a *API) isAdmin(ctx context.Context, r *UserRequest) (*AdminResponse, error) {
	acc, err := a.known(ctx, r.User)
	if err != nil {
		return nil, err
	}
	return &AdminResponse{acc.Admin}, nil
}

// SetAdminRequest is PUT /_synapse/admin/v1/users/{userID}/admin.
type SetAdminRequest struct {
	User  id.User `path:"userID" json:"-"`
	Admin *bool   `json:"admin"`
}

func (r *SetAdminRequest) deed() (string, any) {
	return string(r.User), given("admin", r.Admin)
}

func (a *API) setAdmin(ctx context.Context, by By, r *SetAdminRequest) (*csapi.Empty, error) {
	if r.Admin == nil {
		return nil, fault.New(fault.MissingParam, "admin is missing")
	}
	if r.User == by.User && !*r.Admin {
		return nil, fault.New(fault.Forbidden, "You cannot take your own rights away")
	}
	if err := a.local(r.User); err != nil {
		return nil, err
	}
	return nil, a.Accounts.SetAdmin(ctx, r.User, *r.Admin)
}

// DeactivateRequest is POST /_synapse/admin/v1/deactivate/{userID}.
type DeactivateRequest struct {
	User  id.User `path:"userID" json:"-"`
	Erase bool    `json:"erase"`
}

func (r *DeactivateRequest) deed() (string, any) {
	return string(r.User), map[string]any{"erase": r.Erase}
}

// UnbindResponse says that there was nothing to unbind at identity servers.
type UnbindResponse struct {
	Result string `json:"id_server_unbind_result"`
}

func (a *API) deactivate(ctx context.Context, by By, r *DeactivateRequest) (*UnbindResponse, error) {
	if r.User == by.User {
		return nil, fault.New(fault.Forbidden, "You cannot deactivate your own account here")
	}
	acc, err := a.known(ctx, r.User)
	if err != nil {
		return nil, err
	}
	if acc.Deactivated.IsZero() {
		err = a.Accounts.Deactivate(ctx, r.User, r.Erase)
	}
	return &UnbindResponse{"success"}, err
}

// ResetPasswordRequest is POST /_synapse/admin/v1/reset_password/{userID}.
type ResetPasswordRequest struct {
	User     id.User `path:"userID" json:"-"`
	Password string  `json:"new_password"`
	Logout   *bool   `json:"logout_devices"`
}

func (r *ResetPasswordRequest) deed() (string, any) {
	return string(r.User), map[string]any{"logout_devices": r.Logout == nil || *r.Logout}
}

func (a *API) resetPassword(ctx context.Context, by By, r *ResetPasswordRequest) (*csapi.Empty, error) {
	if err := a.local(r.User); err != nil {
		return nil, err
	}
	if r.Password == "" {
		return nil, fault.New(fault.MissingParam, "new_password is missing")
	}
	return nil, a.newPassword(ctx, by, r.User, r.Password, r.Logout)
}

// newPassword sets a user's password. All of her devices are signed out unless logout says otherwise, but for the one with
// which an administrator changes her own.
func (a *API) newPassword(ctx context.Context, by By, user id.User, password string, logout *bool) error {
	out := logout == nil || *logout
	if user == by.User {
		return a.Accounts.SetPassword(ctx, &account.Session{User: by.User, Device: by.Device}, password, out)
	}
	return a.Accounts.ResetPassword(ctx, user, password, out)
}

// SuspendRequest is PUT /_synapse/admin/v1/suspend/{userID}.
type SuspendRequest struct {
	User    id.User `path:"userID" json:"-"`
	Suspend *bool   `json:"suspend"`
}

func (r *SuspendRequest) deed() (string, any) {
	return string(r.User), given("suspend", r.Suspend)
}

// SuspendResponse says whose account it was and what it is now.
type SuspendResponse map[string]bool

func (a *API) suspend(ctx context.Context, _ By, r *SuspendRequest) (*SuspendResponse, error) {
	if r.Suspend == nil {
		return nil, fault.New(fault.MissingParam, "suspend is missing")
	}
	acc, err := a.known(ctx, r.User)
	if err != nil {
		return nil, err
	}
	if acc.Admin {
		return nil, fault.New(fault.Forbidden, "Administrators can be neither locked nor suspended")
	}
	if err := a.Accounts.SetSuspended(ctx, r.User, *r.Suspend); err != nil {
		return nil, err
	}
	return &SuspendResponse{"user_" + r.User.Localpart() + "_suspended": *r.Suspend}, nil
}

// LoginAsRequest is POST /_synapse/admin/v1/users/{userID}/login.
type LoginAsRequest struct {
	User  id.User `path:"userID" json:"-"`
	Until *int64  `json:"valid_until_ms"`
}

func (r *LoginAsRequest) deed() (string, any) {
	return string(r.User), given("valid_until_ms", r.Until)
}

// LoginAsResponse is a session of another user.
type LoginAsResponse struct {
	Access string    `json:"access_token"`
	Device id.Device `json:"device_id"`
}

// loginAs opens a session of another user. Unlike Synapse's it has a device, which the user sees; see account.Impersonate.
func (a *API) loginAs(ctx context.Context, by By, r *LoginAsRequest) (*LoginAsResponse, error) {
	if r.User == by.User {
		return nil, fault.New(fault.InvalidParam, "You are signed in as this user")
	}
	if err := a.local(r.User); err != nil {
		return nil, err
	}
	var until time.Time
	if r.Until != nil {
		if *r.Until < 0 || *r.Until > 1<<53 {
			return nil, fault.New(fault.InvalidParam, "valid_until_ms is in milliseconds since 1970")
		}
		until = time.UnixMilli(*r.Until)
	}
	g, err := a.Accounts.Impersonate(ctx, r.User, until)
	if err != nil {
		return nil, err
	}
	return &LoginAsResponse{Access: g.Access, Device: g.Device}, nil
}
