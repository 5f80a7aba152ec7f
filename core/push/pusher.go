package push

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Pusher is where a user wants to be told of notifications.
type Pusher struct {
	AppID   string
	Key     string // pushkey
	Kind    string // "http"
	App     string // app_display_name
	Device  string // device_display_name
	Profile string // profile_tag
	Lang    string
	URL     string          // of the gateway
	Data    json.RawMessage // a JSON object without url: handed on to the gateway
	Since   time.Time       // when it was set
}

// The bounds of a pusher. The first two are the specification's.
const (
	maxAppID = 64   // characters
	maxKey   = 512  // bytes
	maxText  = 512  // bytes of each other text
	maxURL   = 2048 // bytes
	maxData  = 4096 // bytes
	// limit: pushers of one user | %d | the one set longest ago goes
	maxPushers = 50 // of one user; past it the one that was set longest ago goes
)

// gatewayPath is where every gateway listens (Push Gateway API).
const gatewayPath = "/_matrix/push/v1/notify"

const (
	columns = `app_id, pushkey, kind, app, name, tag, lang, url, data, since`

	sqlPushers   = `SELECT ` + columns + ` FROM pusher WHERE user_id = $1 ORDER BY nid`
	sqlSetPusher = `INSERT INTO pusher (nid, user_id, device, app_id, pushkey, kind, app, name, tag, lang, url, data, since, pos,
			failures, retry, trouble, told)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $1, 0, 0, '', 0)
		ON CONFLICT (user_id, app_id, pushkey) DO UPDATE SET device = excluded.device, kind = excluded.kind, app = excluded.app,
			name = excluded.name, tag = excluded.tag, lang = excluded.lang, url = excluded.url, data = excluded.data,
			since = excluded.since, failures = 0, retry = 0, trouble = ''`
	sqlTakeOver   = `DELETE FROM pusher WHERE app_id = $1 AND pushkey = $2 AND user_id <> $3`
	sqlTooMany    = `DELETE FROM pusher WHERE nid IN (SELECT nid FROM pusher WHERE user_id = $1 ORDER BY nid DESC LIMIT 1000 OFFSET $2)`
	sqlDropPusher = `DELETE FROM pusher WHERE user_id = $1 AND app_id = $2 AND pushkey = $3`
	sqlDropDevice = `DELETE FROM pusher WHERE user_id = $1 AND device = $2`
	sqlDropOthers = `DELETE FROM pusher WHERE user_id = $1 AND device <> $2`
)

func scanPusher(row sqldb.Scanner) (p Pusher, err error) {
	var since int64
	var data string
	err = row.Scan(&p.AppID, &p.Key, &p.Kind, &p.App, &p.Device, &p.Profile, &p.Lang, &p.URL, &data, &since)
	p.Data, p.Since = json.RawMessage(data), time.UnixMilli(since)
	return p, err
}

// Pushers lists a user's pushers in the order in which they were first set.
func (p *Push) Pushers(ctx context.Context, user id.User) (list []Pusher, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		list, err = sqldb.All(tx, scanPusher, sqlPushers, user)
		return err
	})
	return list, err
}

// Set makes a pusher of a user's device, or changes the one with that app and key, which goes on from where it is. Unless
// add is true, those of other users with that app and key are removed. Errors: M_MISSING_PARAM, M_INVALID_PARAM.
func (p *Push) Set(ctx context.Context, user id.User, device id.Device, x Pusher, add bool) error {
	if err := x.check(); err != nil {
		return err
	}
	p.listen(user)
	return p.DB.Submit(1, func(tx *sqldb.Tx) error {
		if !add {
			if _, err := tx.Exec(sqlTakeOver, x.AppID, x.Key, user); err != nil {
				return err
			}
		}
		_, err := tx.Exec(sqlSetPusher, tx.Pos(), user, device, x.AppID, x.Key, x.Kind, x.App, x.Device, x.Profile, x.Lang, x.URL,
			string(x.Data), p.Now().UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.Exec(sqlTooMany, user, maxPushers)
		return err
	}).Wait(ctx)
}

func (x *Pusher) check() error {
	if err := checkKey(x.AppID, x.Key); err != nil {
		return err
	}
	switch x.Kind {
	case "http":
	case "email":
		return fault.New(fault.InvalidParam, "This server sends no mail")
	default:
		return fault.New(fault.InvalidParam, "This server knows pushers of the kind http only")
	}
	for _, f := range []struct{ name, text string }{
		{"app_display_name", x.App}, {"device_display_name", x.Device}, {"lang", x.Lang}, {"profile_tag", x.Profile},
	} {
		if f.text == "" && f.name != "profile_tag" {
			return fault.Newf(fault.MissingParam, "%s is missing", f.name)
		}
		if !storable(f.text, maxText) {
			return fault.Newf(fault.InvalidParam, "%s may have at most %d bytes, none of them NUL", f.name, maxText)
		}
	}
	if len(x.Data) > maxData || strings.Contains(string(x.Data), `\u0000`) {
		return fault.Newf(fault.InvalidParam, "data may have at most %d bytes, none of them NUL", maxData)
	}
	return checkURL(x.URL)
}

func checkKey(app, key string) error {
	switch {
	case app == "":
		return fault.New(fault.MissingParam, "app_id is missing")
	case key == "":
		return fault.New(fault.MissingParam, "pushkey is missing")
	case utf8.RuneCountInString(app) > maxAppID || !storable(app, 4*maxAppID):
		return fault.Newf(fault.InvalidParam, "app_id may have at most %d characters", maxAppID)
	case !storable(key, maxKey):
		return fault.Newf(fault.InvalidParam, "pushkey may have at most %d bytes", maxKey)
	}
	return nil
}

func storable(s string, most int) bool { return len(s) <= most && strings.IndexByte(s, 0) < 0 }

// checkURL takes the address of a gateway. The specification wants https; http is for a gateway in one's own network, and
// whether the server may go there at all is for base/dial to say.
func checkURL(s string) error {
	if s == "" {
		return fault.New(fault.MissingParam, "data.url is missing")
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return fault.New(fault.InvalidParam, "data.url must be an https address")
	}
	if u.Path != gatewayPath {
		return fault.New(fault.InvalidParam, "data.url must have the path "+gatewayPath)
	}
	return nil
}

// Delete removes a pusher; one that is not there is passed over. Errors: M_MISSING_PARAM.
func (p *Push) Delete(ctx context.Context, user id.User, app, key string) error {
	if err := checkKey(app, key); err != nil {
		return err
	}
	return p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlDropPusher, user, app, key)
		return err
	})
}

// DropDevice removes the pushers that a device has set, in the transaction that removes the device.
func (p *Push) DropDevice(tx *sqldb.Tx, user id.User, device id.Device) error {
	_, err := tx.Exec(sqlDropDevice, user, device)
	return err
}

// DropOthers removes those of a user that other devices have set, in the transaction that changes her password: who knew the
// old one may have set them.
func (p *Push) DropOthers(tx *sqldb.Tx, user id.User, device id.Device) error {
	_, err := tx.Exec(sqlDropOthers, user, device)
	return err
}
