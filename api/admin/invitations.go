package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"freehold.example/core/account"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html
func invitationRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1/registration_tokens"
	a := t.api
	looks(t, path, a.invitations)
	does(t, http.MethodPost, path+"/new", a.invite)
	looks(t, path+"/{token}", a.invitation)
	does(t, http.MethodPut, path+"/{token}", a.changeInvitation)
	does(t, http.MethodDelete, path+"/{token}", a.uninvite)
}

// Invitation is a registration token. Pending is always 0: here the token is shown and used in one request.
type Invitation struct {
	Token     string `json:"token"`
	Allowed   *int64 `json:"uses_allowed"` // null: any number
	Pending   int64  `json:"pending"`
	Completed int64  `json:"completed"`
	Expires   *int64 `json:"expiry_time"` // milliseconds since 1970; null: never
}

func shownInvitation(inv *account.Invitation) *Invitation {
	out := &Invitation{Token: inv.Token, Completed: inv.Completed}
	if inv.Allowed != 0 {
		n := max(inv.Allowed, 0)
		out.Allowed = &n
	}
	if !inv.Expires.IsZero() {
		ms := inv.Expires.UnixMilli()
		out.Expires = &ms
	}
	return out
}

// InvitationsRequest is GET /_synapse/admin/v1/registration_tokens.
type InvitationsRequest struct {
	Valid *bool `query:"valid" json:"-"` // only those that can be used, or only those that cannot
}

// InvitationsResponse lists registration tokens.
type InvitationsResponse struct {
	Tokens []*Invitation `json:"registration_tokens"`
}

func (a *API) invitations(ctx context.Context, r *InvitationsRequest) (*InvitationsResponse, error) {
	list, err := a.Accounts.Invitations(ctx)
	if err != nil {
		return nil, err
	}
	out := &InvitationsResponse{Tokens: []*Invitation{}}
	for _, inv := range list {
		if r.Valid == nil || *r.Valid == inv.Usable(a.Accounts.Now()) {
			out.Tokens = append(out.Tokens, shownInvitation(inv))
		}
	}
	return out, nil
}

// InvitationRequest names one registration token.
type InvitationRequest struct {
	Token string `path:"token" json:"-"`
}

func (a *API) invitation(ctx context.Context, r *InvitationRequest) (*Invitation, error) {
	inv, err := a.Accounts.Invitation(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	return shownInvitation(inv), nil
}

// Bounds are what a registration token can be given. Absent is not the same as null.
type Bounds struct {
	Allowed json.RawMessage `json:"uses_allowed"`
	Expires json.RawMessage `json:"expiry_time"`
}

// apply changes what the request names.
func (b *Bounds) apply(inv *account.Invitation, now time.Time) error {
	if b.Allowed != nil {
		n, null, err := count(b.Allowed)
		switch {
		case err != nil:
			return fault.New(fault.InvalidParam, "uses_allowed is a whole number from 0, or null")
		case null:
			inv.Allowed = 0
		case n == 0:
			inv.Allowed = account.Nobody
		default:
			inv.Allowed = n
		}
	}
	if b.Expires != nil {
		ms, null, err := count(b.Expires)
		switch {
		case err != nil || !null && ms < now.UnixMilli():
			return fault.New(fault.InvalidParam, "expiry_time is in milliseconds since 1970 and in the future, or null")
		case null:
			inv.Expires = time.Time{}
		default:
			inv.Expires = time.UnixMilli(ms)
		}
	}
	return nil
}

// count reads a number that is not negative, or null.
func count(text json.RawMessage) (n int64, null bool, err error) {
	var v *int64
	if err := json.Unmarshal(text, &v); err != nil {
		return 0, false, err
	}
	if v == nil {
		return 0, true, nil
	}
	if *v < 0 || *v > 1<<53 {
		return 0, false, fault.New(fault.InvalidParam, "out of range")
	}
	return *v, false, nil
}

// deed says what a token is given; the token itself lets somebody in, and is not written down.
func (b *Bounds) deed() map[string]any {
	p := map[string]any{}
	if b.Allowed != nil {
		p["uses_allowed"] = b.Allowed
	}
	if b.Expires != nil {
		p["expiry_time"] = b.Expires
	}
	return p
}

// shown is the beginning of a registration token: enough to know it by for who has the list.
func shown(token string) string { return token[:min(len(token), 4)] + "..." }

func (r *InvitationRequest) deed() (string, any)       { return shown(r.Token), nil }
func (r *InviteRequest) deed() (string, any)           { return "", r.Bounds.deed() }
func (r *ChangeInvitationRequest) deed() (string, any) { return shown(r.Token), r.Bounds.deed() }

// InviteRequest is POST /_synapse/admin/v1/registration_tokens/new.
type InviteRequest struct {
	Token  string `json:"token"`
	Length *int   `json:"length"` // of a token that is made up; 16 unless told otherwise
	Bounds
}

func (a *API) invite(ctx context.Context, _ By, r *InviteRequest) (*Invitation, error) {
	inv := account.Invitation{Token: r.Token}
	if inv.Token == "" {
		n := 16
		if r.Length != nil {
			n = *r.Length
		}
		if n < 1 || n > 64 {
			return nil, fault.New(fault.InvalidParam, "length is between 1 and 64")
		}
		inv.Token = (rand.Text() + rand.Text() + rand.Text())[:n]
	}
	if err := r.apply(&inv, a.Accounts.Now()); err != nil {
		return nil, err
	}
	if _, err := a.Accounts.Invite(ctx, inv); err != nil {
		return nil, err
	}
	return shownInvitation(&inv), nil
}

// ChangeInvitationRequest is PUT /_synapse/admin/v1/registration_tokens/{token}.
type ChangeInvitationRequest struct {
	Token string `path:"token" json:"-"`
	Bounds
}

func (a *API) changeInvitation(ctx context.Context, _ By, r *ChangeInvitationRequest) (*Invitation, error) {
	now := a.Accounts.Now()
	if err := r.apply(&account.Invitation{}, now); err != nil {
		return nil, err
	}
	inv, err := a.Accounts.ChangeInvitation(ctx, r.Token, func(inv *account.Invitation) { _ = r.apply(inv, now) }) // as just now
	if err != nil {
		return nil, err
	}
	return shownInvitation(inv), nil
}

func (a *API) uninvite(ctx context.Context, _ By, r *InvitationRequest) (*csapi.Empty, error) {
	return nil, a.Accounts.Uninvite(ctx, r.Token)
}
