package person

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The two fields that member events repeat.
const (
	fieldName   = "displayname"
	fieldAvatar = "avatar_url"
)

const (
	// limit: one profile | %b | M_PROFILE_TOO_LARGE
	maxProfile = 64 << 10 // bytes of the whole profile as JSON, https://spec.matrix.org/v1.16/client-server-api/#profiles
	maxField   = 255      // bytes of a field's key
	maxName    = 256      // characters of a display name: it is repeated in every member event
	maxAvatar  = 1000     // bytes of an avatar's URI, for the same reason
)

const (
	sqlProfile   = `SELECT field, value FROM profile WHERE user_id = $1 ORDER BY field`
	sqlField     = `SELECT value FROM profile WHERE user_id = $1 AND field = $2`
	sqlSetField  = `INSERT INTO profile (user_id, field, value, folded) VALUES ($1, $2, $3, $4) ON CONFLICT (user_id, field) DO UPDATE SET value = excluded.value, folded = excluded.folded`
	sqlDropField = `DELETE FROM profile WHERE user_id = $1 AND field = $2`
)

// Profiles reads profiles. It is apart from People because the room engine needs it, and People needs the room engine.
type Profiles struct{ DB *sqldb.DB }

// MemberProfile is the name and picture that the user's member events carry; each is "" when not set.
func (p Profiles) MemberProfile(ctx context.Context, user id.User) (displayname, avatarURL string, err error) {
	err = p.DB.ReadOne(ctx, func(tx *sqldb.Tx) error {
		var err error
		displayname, avatarURL, err = memberProfile(tx, user)
		return err
	})
	return displayname, avatarURL, err
}

func memberProfile(tx *sqldb.Tx, user id.User) (displayname, avatarURL string, err error) {
	fields, err := readProfile(tx, user)
	if err != nil {
		return "", "", err
	}
	return text(fields[fieldName]), text(fields[fieldAvatar]), nil
}

// text is the string that value holds, or "".
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

func readProfile(tx *sqldb.Tx, user id.User) (map[string]json.RawMessage, error) {
	rows, err := tx.Query(sqlProfile, string(user))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	defer rows.Close()
	fields := map[string]json.RawMessage{}
	for rows.Next() {
		var field string
		var value []byte
		if err := rows.Scan(&field, &value); err != nil {
			return nil, fmt.Errorf("read profile: %w", err)
		}
		fields[field] = value
	}
	return fields, rows.Err()
}

// Profile reads a user's whole profile. A user of this server without a profile has an empty one; a user that does not
// exist, or of another server, is M_NOT_FOUND.
func (p *People) Profile(ctx context.Context, user id.User) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		if fields, err = readProfile(tx, user); err != nil || len(fields) > 0 {
			return err
		}
		known, err := p.Exists(tx, user)
		if err == nil && !known {
			return fault.New(fault.NotFound, "There is no such user")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return fields, nil
}

// Field reads one field of a profile; M_NOT_FOUND when it is not set.
func (p *People) Field(ctx context.Context, user id.User, field string) (json.RawMessage, error) {
	var value []byte
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlField, string(user), field).Scan(&value)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fault.New(fault.NotFound, "The profile has no such field")
	case err != nil:
		return nil, fmt.Errorf("read profile field: %w", err)
	}
	return value, nil
}

// SetField sets one field of the user's profile. An empty name or picture removes the field: that is how clients that
// know no other way do it. A change of either is in the user's member event of every joined room when SetField returns.
func (p *People) SetField(ctx context.Context, user id.User, field string, value json.RawMessage) error {
	if err := checkField(field, value); err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		return fault.New(fault.BadJSON, "The value is not JSON").Because(err)
	}
	value = compact.Bytes()
	if inMembers(field) && text(value) == "" {
		value = nil
	}
	return p.change(ctx, user, field, value)
}

// DropField removes one field of the user's profile; it need not be there.
func (p *People) DropField(ctx context.Context, user id.User, field string) error {
	if err := checkKey(field); err != nil {
		return err
	}
	return p.change(ctx, user, field, nil)
}

// change writes a field, or removes it when value is nil, and then tells the rooms.
func (p *People) change(ctx context.Context, user id.User, field string, value json.RawMessage) error {
	unlock, err := p.changing.Lock(ctx, user)
	if err != nil {
		return err
	}
	defer unlock()
	var name, avatar string
	err = p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		fields, err := readProfile(tx, user)
		if err != nil {
			return err
		}
		switch {
		case bytes.Equal(fields[field], value): // no change
		case value == nil:
			delete(fields, field)
			_, err = tx.Exec(sqlDropField, string(user), field)
		default:
			fields[field] = value
			if profileSize(fields) >= maxProfile {
				return fault.New(fault.ProfileTooLarge, "The profile would be larger than 64 KiB")
			}
			_, err = tx.Exec(sqlSetField, string(user), field, []byte(value), folded(field, value))
		}
		name, avatar = text(fields[fieldName]), text(fields[fieldAvatar])
		return err
	})
	if err != nil || !inMembers(field) {
		return err
	}
	// The profile is changed for good; that the caller hangs up must not leave half of the rooms behind. Also when it was
	// so already: the server may have died before it had told them all, and rooms that know will not be told twice.
	if err := p.Rooms.SetMemberProfile(context.WithoutCancel(ctx), user, name, avatar); err != nil {
		return fmt.Errorf("tell the rooms of a new profile: %w", err)
	}
	return nil
}

func inMembers(field string) bool { return field == fieldName || field == fieldAvatar }

// folded is a display name as the user directory searches it; without NUL, which PostgreSQL cannot store.
func folded(field string, value json.RawMessage) string {
	if field != fieldName {
		return ""
	}
	return strings.ToLower(strings.ReplaceAll(text(value), "\x00", ""))
}

// profileSize is the length of the profile as compact JSON.
func profileSize(fields map[string]json.RawMessage) int {
	n := len("{}")
	for key, value := range fields {
		n += len(`"":,`) + len(key) + len(value)
	}
	return n
}

func checkField(field string, value json.RawMessage) error {
	if err := checkKey(field); err != nil {
		return err
	}
	if !inMembers(field) && field != "m.tz" {
		return nil
	}
	var s *string
	if err := json.Unmarshal(value, &s); err != nil || s == nil {
		return fault.Newf(fault.BadJSON, "%s must be a string", field)
	}
	if field == fieldName && len([]rune(*s)) > maxName {
		return fault.New(fault.TooLarge, "A display name has at most 256 characters").WithStatus(400)
	}
	if field == fieldAvatar && len(*s) > maxAvatar {
		return fault.New(fault.TooLarge, "An avatar's URI has at most 1000 bytes").WithStatus(400)
	}
	return nil
}

// checkKey accepts the defined fields and the Common Namespaced Identifier Grammar:
// https://spec.matrix.org/v1.16/appendices/#common-namespaced-identifier-grammar
func checkKey(field string) error {
	if len(field) > maxField {
		return fault.New(fault.KeyTooLarge, "A profile key has at most 255 bytes")
	}
	if inMembers(field) {
		return nil
	}
	namespaced := false
	for i := range len(field) {
		switch c := field[i]; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '_' || c == '-'):
		case i > 0 && c == '.':
			namespaced = true
		default:
			return fault.New(fault.InvalidParam, "Not a profile key")
		}
	}
	if !namespaced || strings.HasSuffix(field, ".") {
		return fault.New(fault.InvalidParam, "A profile key of your own needs a namespace, such as org.example.key")
	}
	return nil
}
