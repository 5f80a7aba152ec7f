package client

import (
	"context"
	"errors"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/keys"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Cross-signing". The keys are counted as logins, since they are replaced by the password: whoever has a stolen token
// must not be able to guess it faster here than elsewhere.
// https://spec.matrix.org/v1.19/client-server-api/#cross-signing
func (a *API) signingRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/device_signing/upload", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.uploadSigning)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/keys/signatures/upload", Auth: route.User, Limit: limit.Keys, Body: 2 << 20, Serve: route.JSON(a.uploadSignatures)},
	}
}

func (a *API) uploadSigning(ctx context.Context, c *Call, r *csapi.SigningUploadRequest) (*csapi.Empty, error) {
	set := keys.Signing{Master: r.MasterKey, SelfSigning: r.SelfSigningKey, UserSigning: r.UserSigningKey}
	err := a.Keys.UploadSigning(ctx, c.Session.User, set, false)
	if !errors.Is(err, keys.ErrAuthRequired) {
		return nil, err
	}
	if allowed, err := a.Accounts.MayResetKeys(ctx, c.Session.User); err != nil || allowed {
		if err == nil {
			err = a.Keys.UploadSigning(ctx, c.Session.User, set, true)
		}
		return nil, err
	}
	if err := a.byPassword(ctx, c, "POST /keys/device_signing/upload", set, r.Auth); err != nil {
		return nil, err
	}
	return nil, a.Keys.UploadSigning(ctx, c.Session.User, set, true)
}

func (a *API) uploadSignatures(ctx context.Context, c *Call, r *csapi.SignaturesUploadRequest) (*csapi.SignaturesUploadResponse, error) {
	failures, err := a.Keys.UploadSignatures(ctx, c.Session.User, r.Keys)
	if err != nil {
		return nil, err
	}
	out := &csapi.SignaturesUploadResponse{Failures: make(map[id.User]map[string]csapi.Failure, len(failures))}
	for user, of := range failures {
		out.Failures[user] = make(map[string]csapi.Failure, len(of))
		for name, f := range of {
			out.Failures[user][name] = shownFault(f)
		}
	}
	return out, nil
}

func shownFault(f *fault.Fault) csapi.Failure {
	return csapi.Failure{Code: string(f.Code), Text: f.Text}
}
