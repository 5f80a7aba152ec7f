package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Application services: https://spec.matrix.org/v1.19/application-service-api/#client-server-api-extensions

func (a *API) serviceRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v1/appservice/{serviceID}/ping", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.pingService)},
	}
}

func (a *API) pingService(ctx context.Context, c *Call, r *csapi.PingServiceRequest) (*csapi.PingServiceResponse, error) {
	if c.Service == nil || c.Service.ID != r.Service {
		return nil, fault.New(fault.Forbidden, "This is for the application service itself, with its token")
	}
	took, err := a.Line.Ping(ctx, c.Service, r.Txn)
	if err != nil {
		return nil, err
	}
	return &csapi.PingServiceResponse{DurationMS: took.Milliseconds()}, nil
}

// byService is the way in for the users of application services.
const byService = "m.login.application_service"

// unstableDevice names the device in the query as MSC3202 did.
const unstableDevice = "org.matrix.msc3202.device_id"

// serviceCall is a call with an application service's token: by its sender, or by the user of its namespaces, and the
// device, that the query names.
func (a *API) serviceCall(r *http.Request, c *Call, s *appservice.Service, auth route.Auth) (*Call, string, error) {
	c.Service = s
	query := r.URL.Query()
	user := s.Sender
	if named := query.Get("user_id"); named != "" {
		var err error
		if user, err = id.ParseUser(named); err != nil {
			return c, "", fault.New(fault.InvalidParam, "user_id is not a user id").Because(err)
		}
	}
	key := limit.Exempt
	if s.RateLimited && user != s.Sender {
		key = string(user)
	}
	if auth == route.None {
		return c, key, nil
	}
	if !s.Owns(user) {
		return c, key, fault.New(fault.Forbidden, "This user is in none of the application service's namespaces")
	}
	device := query.Get("device_id")
	if device == "" {
		device = query.Get(unstableDevice)
	}
	session, err := a.Accounts.Assume(r.Context(), user, id.Device(device))
	if err != nil {
		return c, key, err
	}
	c.Session = session
	if err := standing(session, r.Pattern); err != nil {
		return c, key, err
	}
	if auth == route.Admin {
		return c, key, fault.New(fault.Forbidden, "This is for administrators of this server")
	}
	return c, key, nil
}

// exempt says whether the call is by somebody who is not limited.
func (c *Call) exempt() bool {
	return c.Service != nil && (!c.Service.RateLimited || c.Session != nil && c.Session.User == c.Service.Sender)
}

var errExclusive = fault.New(fault.Exclusive, "This name belongs to an application service")

// serviceUser is the user that an application service registers or logs in as. Errors: M_MISSING_TOKEN for a call that
// shows no service's token, M_EXCLUSIVE.
func (a *API) serviceUser(c *Call, name string) (id.User, error) {
	if c.Service == nil {
		return "", fault.New(fault.MissingToken, "This is for application services, with their token")
	}
	user, ok := a.Accounts.Named(name)
	if !ok {
		return "", fault.New(fault.InvalidUsername, "This is not a user name")
	}
	if !c.Service.Owns(user) || a.Services.Reserved(user, c.Service) {
		return "", fault.New(fault.Exclusive, "This user is in none of the application service's namespaces")
	}
	return user, nil
}

func (a *API) registerService(ctx context.Context, c *Call, r *csapi.RegisterRequest) (*csapi.LoginResponse, error) {
	if r.Username == "" {
		return nil, fault.New(fault.MissingParam, "An application service says whom to register")
	}
	user, err := a.serviceUser(c, r.Username)
	if err != nil {
		return nil, err
	}
	g, err := a.Accounts.Register(ctx, account.RegisterRequest{
		Name: user.Localpart(), Service: true, NoLogin: r.InhibitLogin,
		DeviceRequest: account.DeviceRequest{Device: r.Device, DeviceName: r.DeviceName, Refresh: r.RefreshToken},
	})
	if err != nil {
		return nil, err
	}
	return granted(g), nil
}

func (a *API) serviceLogin(
	ctx context.Context, c *Call, r *csapi.LoginRequest, device account.DeviceRequest,
) (*account.Grant, error) {
	name, err := loginName(r)
	if err != nil {
		return nil, err
	}
	user, err := a.serviceUser(c, name)
	if err != nil {
		return nil, err
	}
	return a.Accounts.LoginService(ctx, user, device)
}

// latest is the greatest time that an event may have: integers end there (Appendices, "Canonical JSON").
const latest = 1<<53 - 1

// timestamp is the time that an application service gives its event; 0 for now, and for everybody else.
func (c *Call) timestamp(ts *int64) (int64, error) {
	if ts == nil || c.Service == nil {
		return 0, nil
	}
	if *ts < 0 || *ts > latest {
		return 0, fault.New(fault.InvalidParam, "ts is not a time that an event can have")
	}
	return *ts, nil
}
