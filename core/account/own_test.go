package account

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

func TestOwn(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		own := func(name id.Server) error {
			t.Helper()
			a, err := New(Config{DB: db, ServerName: name, FastHashing: true})
			if err != nil {
				t.Fatal(err)
			}
			return a.Own(t.Context())
		}
		for range 2 {
			if err := own("s1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := own("s2"); err == nil || !strings.Contains(err.Error(), "s1") {
			t.Errorf("got %v, want that the database is of s1", err)
		}
	})
}

func TestOwnKey(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		a, err := New(Config{DB: db, ServerName: "s1", FastHashing: true})
		if err != nil {
			t.Fatal(err)
		}
		first, second := ed25519.PublicKey(strings.Repeat("1", 32)), ed25519.PublicKey(strings.Repeat("2", 32))
		for i, step := range []struct {
			key     id.Key
			public  ed25519.PublicKey
			replace bool
			want    error
		}{
			{"ed25519:a", first, false, nil},
			{"ed25519:a", first, false, nil},
			{"ed25519:b", second, false, ErrOtherKey},
			{"ed25519:a", second, false, ErrOtherKey}, // of the same name
			{"ed25519:a", first, false, nil},
			{"ed25519:b", second, true, nil},
			{"ed25519:a", first, false, ErrOtherKey},
			{"ed25519:a", first, true, nil},
			{"ed25519:a", first, true, nil},
		} {
			if err := a.OwnKey(t.Context(), step.key, step.public, step.replace); !errors.Is(err, step.want) {
				t.Errorf("step %d: got %v, want %v", i, err, step.want)
			}
			if err := a.CheckKey(t.Context(), step.key, step.public); !errors.Is(err, step.want) {
				t.Errorf("step %d, checked: got %v, want %v", i, err, step.want)
			}
		}
		former, err := a.FormerKeys(t.Context())
		if err != nil || len(former) != 1 || former[0].Key != "ed25519:b" || !former[0].Public.Equal(second) || former[0].Until <= 0 {
			t.Errorf("the former keys are %+v, %v", former, err)
		}
		err = db.Write(t.Context(), func(tx *sqldb.Tx) error { // the operator has the database forget the key
			_, err := tx.Exec(ForgetKey)
			return err
		})
		third := ed25519.PublicKey(strings.Repeat("3", 32))
		if err := errors.Join(err, a.OwnKey(t.Context(), "ed25519:c", third, false)); err != nil {
			t.Fatal(err)
		}
		former, err = a.FormerKeys(t.Context())
		if err != nil || len(former) != 2 || former[0].Until <= 0 || former[1].Until <= 0 {
			t.Errorf("with one that was forgotten, the former keys are %+v, %v", former, err)
		}
	})
}
