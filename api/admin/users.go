package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"freehold.example/core/account"
	"freehold.example/core/person"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html
func userRows[C any](t *table[C]) {
	const v1, v2 = "/_synapse/admin/v1", "/_synapse/admin/v2"
	a := t.api
	looks(t, v2+"/users", a.users)
	looks(t, "/_synapse/admin/v3/users", a.usersV3)
	looks(t, v2+"/users/{userID}", a.user)
	does(t, http.MethodPut, v2+"/users/{userID}", a.putUser)
	looks(t, v1+"/users/{userID}/admin", a.isAdmin)
	does(t, http.MethodPut, v1+"/users/{userID}/admin", a.setAdmin)
	does(t, http.MethodPost, v1+"/deactivate/{userID}", a.deactivate)
	does(t, http.MethodPost, v1+"/reset_password/{userID}", a.resetPassword)
	does(t, http.MethodPut, v1+"/suspend/{userID}", a.suspend)
	does(t, http.MethodPost, v1+"/users/{userID}/login", a.loginAs)
	does(t, http.MethodPost, v1+"/users/{userID}/shadow_ban", a.shadowBan)
	does(t, http.MethodDelete, v1+"/users/{userID}/shadow_ban", a.shadowBan)
	looks(t, v1+"/users/{userID}/override_ratelimit", a.sendRate)
	does(t, http.MethodPost, v1+"/users/{userID}/override_ratelimit", a.setSendRate)
	does(t, http.MethodDelete, v1+"/users/{userID}/override_ratelimit", a.dropSendRate)
	does(t, http.MethodPost, v1+"/users/{userID}/_allow_cross_signing_replacement_without_uia", a.allowKeyReset)
	looks(t, v1+"/users/{userID}/joined_rooms", a.joinedRooms)
	looks(t, v1+"/users/{userID}/memberships", a.memberships)
	looks(t, v1+"/users/{userID}/pushers", a.pushers)
	does(t, http.MethodGet, v1+"/users/{userID}/accountdata", a.accountData)
	looks(t, v1+"/username_available", a.available)
	looks(t, v1+"/auth_providers/{provider}/users/{externalID}", a.byExternalID)
	looks(t, v1+"/threepid/{medium}/users/{address}", a.byAddress)
}

// User is an account as it is listed. What this server does not have is as it is for who has none: nobody is a guest,
// shadow-banned or of a type, and there are no addresses of other kinds.
type User struct {
	Name        id.User `json:"name"`
	Guest       bool    `json:"is_guest"`
	Admin       bool    `json:"admin"`
	Type        *string `json:"user_type"`
	Deactivated bool    `json:"deactivated"`
	Erased      bool    `json:"erased"`
	ShadowBan   bool    `json:"shadow_banned"`
	DisplayName *string `json:"displayname"`
	Avatar      *string `json:"avatar_url"`
	Created     int64   `json:"creation_ts"` // milliseconds since 1970 in a list, seconds of a single user: as Synapse has it
	LastSeen    *int64  `json:"last_seen_ts"`
	Approved    bool    `json:"approved"`
	Locked      bool    `json:"locked"`
	Suspended   bool    `json:"suspended"`
}

func shownUser(l *account.Listed, face person.Found) User {
	u := User{
		Name: l.User, Admin: l.Admin, Deactivated: !l.Deactivated.IsZero(), Erased: l.Erase, Created: l.Created.UnixMilli(),
		Approved: true, Locked: l.Locked, Suspended: l.Suspended, DisplayName: some(face.DisplayName), Avatar: some(face.AvatarURL),
	}
	if !l.Seen.IsZero() {
		ms := l.Seen.UnixMilli()
		u.LastSeen = &ms
	}
	return u
}

// some is nil for "".
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Pages is which part of a list is wanted.
type Pages struct {
	From  int    `query:"from" json:"-"`
	Limit *int   `query:"limit" json:"-"` // 100 unless told otherwise, at most maxPage
	Order string `query:"order_by" json:"-"`
	Dir   string `query:"dir" json:"-"` // f or b
}

const maxPage = 1000

// check refuses what is no part of a list, and what is no order.
func (p *Pages) check(orders ...string) (limit int, err error) {
	limit = 100
	if p.Limit != nil {
		limit = *p.Limit
	}
	switch {
	case p.From < 0 || p.From > 1<<31:
		return 0, fault.New(fault.InvalidParam, "from is a whole number from 0")
	case limit < 0:
		return 0, fault.New(fault.InvalidParam, "limit is a whole number from 0")
	case p.Dir != "" && p.Dir != "f" && p.Dir != "b":
		return 0, fault.New(fault.InvalidParam, "dir is f or b")
	case p.Order != "" && !slices.Contains(orders, p.Order):
		return 0, fault.New(fault.InvalidParam, "order_by is one of "+strings.Join(orders, ", "))
	}
	return min(limit, maxPage), nil
}

// part cuts a page out of a list that is all in memory.
func part[T any](list []T, from, limit int) []T {
	from = min(from, len(list))
	return list[from:min(from+limit, len(list))]
}

// next is where the page after this one begins; nil when there is none.
func next(from, shown, total int) *int {
	if n := from + shown; shown > 0 && n < total {
		return &n
	}
	return nil
}

// UsersRequest is GET /_synapse/admin/v2/users and v3.
type UsersRequest struct {
	Pages
	UserID      string   `query:"user_id" json:"-"` // part of it
	Name        string   `query:"name" json:"-"`    // part of the user id or of the display name; user_id counts for nothing then
	Guests      *bool    `query:"guests" json:"-"`
	Admins      *bool    `query:"admins" json:"-"`
	Deactivated *bool    `query:"deactivated" json:"-"` // v2: with true these too; v3: only these, or only the others
	Locked      *bool    `query:"locked" json:"-"`      // with true, locked ones too
	NotType     []string `query:"not_user_type" json:"-"`
}

// UsersResponse is a page of accounts.
type UsersResponse struct {
	Users []User  `json:"users"`
	Next  *string `json:"next_token,omitempty"`
	Total int64   `json:"total"`
}

// userOrders are what Synapse knows. Everybody here is equal in some of them.
var userOrders = []string{
	"name", "is_guest", "admin", "user_type", "deactivated", "shadow_banned", "displayname", "avatar_url", "creation_ts", "last_seen_ts",
	"locked", "suspended",
}

func (a *API) users(ctx context.Context, r *UsersRequest) (*UsersResponse, error) {
	deactivated := new(bool)
	if r.Deactivated != nil && *r.Deactivated {
		deactivated = nil
	}
	return a.listUsers(ctx, r, deactivated)
}

func (a *API) usersV3(ctx context.Context, r *UsersRequest) (*UsersResponse, error) {
	return a.listUsers(ctx, r, r.Deactivated)
}

// maxSorted is how many accounts can be ordered by what their profiles say, and found by it.
const maxSorted = 20_000

func (a *API) listUsers(ctx context.Context, r *UsersRequest, deactivated *bool) (*UsersResponse, error) {
	limit, err := r.check(userOrders...)
	if err != nil {
		return nil, err
	}
	b := account.Browse{Text: strings.TrimPrefix(r.UserID, "@"), Deactivated: deactivated, Admin: r.Admins, From: r.From, Limit: limit, Desc: r.Dir == "b"}
	if r.Locked == nil || !*r.Locked {
		b.Locked = new(bool)
	}
	if r.Name != "" {
		b.Text = strings.TrimPrefix(r.Name, "@")
		if b.Or, err = a.People.Named(ctx, r.Name, maxSorted); err != nil {
			return nil, err
		}
	}
	var list []*account.Listed
	var total int64
	switch r.Order {
	case "displayname", "avatar_url":
		list, total, err = a.usersByFace(ctx, b, r.Order)
	default:
		b.Order = map[string]account.Order{
			"creation_ts": account.ByCreated, "last_seen_ts": account.BySeen, "admin": account.ByAdmin,
			"deactivated": account.ByDeactivated, "locked": account.ByLocked,
		}[r.Order]
		list, total, err = a.Accounts.Browse(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	return a.shownUsers(ctx, list, total, r.From)
}

func (a *API) shownUsers(ctx context.Context, list []*account.Listed, total int64, from int) (*UsersResponse, error) {
	ids := make([]id.User, len(list))
	for i, l := range list {
		ids[i] = l.User
	}
	faces, err := a.People.Faces(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := &UsersResponse{Users: make([]User, len(list)), Total: total}
	for i, l := range list {
		out.Users[i] = shownUser(l, faces[i])
	}
	if n := next(from, len(list), int(total)); n != nil {
		out.Next = text(*n)
	}
	return out, nil
}

// usersByFace orders accounts by names or pictures, which are not kept with them: all of them are looked at.
func (a *API) usersByFace(ctx context.Context, b account.Browse, order string) (list []*account.Listed, total int64, err error) {
	users, err := a.Accounts.BrowseIDs(ctx, b, maxSorted+1)
	if err != nil {
		return nil, 0, err
	}
	if len(users) > maxSorted {
		return nil, 0, fault.Newf(fault.InvalidParam, "There are more than %d such users: they cannot be ordered by %s", maxSorted, order)
	}
	faces, err := a.People.Faces(ctx, users)
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(faces, func(x, y person.Found) int {
		if order == "avatar_url" {
			return strings.Compare(x.AvatarURL, y.AvatarURL)
		}
		return strings.Compare(strings.ToLower(x.DisplayName), strings.ToLower(y.DisplayName))
	})
	if b.Desc {
		slices.Reverse(faces)
	}
	var page []id.User
	for _, f := range part(faces, b.From, b.Limit) {
		page = append(page, f.User)
	}
	list, err = a.Accounts.Listed(ctx, page)
	return list, int64(len(users)), err
}

// UserRequest names a user.
type UserRequest struct {
	User id.User `path:"userID" json:"-"`
}

// UserResponse is one account.
type UserResponse struct {
	User
	ThreePIDs   []struct{} `json:"threepids"`
	ExternalIDs []struct{} `json:"external_ids"`
	AppService  *string    `json:"appservice_id"`
	Consent     *string    `json:"consent_version"`
	ConsentSent *string    `json:"consent_server_notice_sent"`
	ConsentAt   *int64     `json:"consent_ts"`

	status int
}

// Status is 201 for an account that has just been made.
func (r *UserResponse) Status() int { return r.status }

// local refuses users of other servers, of whom nothing is kept here.
func (a *API) local(user id.User) error {
	if user.Server() != a.Accounts.ServerName {
		return fault.New(fault.InvalidParam, "This user belongs to another server")
	}
	return nil
}

// known finds an account of this server, deactivated or not.
func (a *API) known(ctx context.Context, user id.User) (*account.Account, error) {
	if err := a.local(user); err != nil {
		return nil, err
	}
	return a.Accounts.Find(ctx, user)
}

func (a *API) user(ctx context.Context, r *UserRequest) (*UserResponse, error) {
	if err := a.local(r.User); err != nil {
		return nil, err
	}
	list, err := a.Accounts.Listed(ctx, []id.User{r.User})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, "There is no such user")
	}
	faces, err := a.People.Faces(ctx, []id.User{r.User})
	if err != nil {
		return nil, err
	}
	out := &UserResponse{User: shownUser(list[0], faces[0]), ThreePIDs: []struct{}{}, ExternalIDs: []struct{}{}, status: http.StatusOK}
	out.Created = list[0].Created.Unix()
	return out, nil
}
