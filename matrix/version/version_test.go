package version_test

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"freehold.example/matrix/version"
)

// since lists each flag with the versions it holds in, first and last, as the specification's pages give them.
var since = map[string][2]int{
	"Stable": {1, 12}, "Default": {12, 12}, "HashedReferences": {1, 2}, "StrictJSON": {6, 12}, "RoomIDIsCreateHash": {12, 12},
	"RedactsInContent": {11, 12}, "EventIDServerSigns": {1, 2}, "EnforceKeyValidity": {5, 12}, "RedactKeepsAliases": {1, 5},
	"RedactKeepsAllow": {8, 12}, "RedactKeepsAuthorisedVia": {9, 12}, "UpdatedRedaction": {11, 12},
	"SpecialCaseAliasesAuth": {1, 5}, "RedactionAuthRule": {1, 2}, "NotificationsPowerChecked": {6, 12}, "KnockRule": {7, 12},
	"RestrictedJoin": {8, 12}, "KnockRestricted": {10, 12}, "IntegerPowerLevels": {10, 12}, "FloatPowerLevels": {1, 5},
	"ImplicitCreator": {11, 12}, "CreatorsPrivileged": {12, 12}, "CodePointLimits": {1, 10},
}

func TestFlags(t *testing.T) {
	all := version.All()
	if len(all) != 12 {
		t.Fatalf("got %d versions, want 12", len(all))
	}
	for i, v := range all {
		n := i + 1
		if v.ID != strconv.Itoa(n) {
			t.Fatalf("got version %s in place %d", v.ID, n)
		}
		flags := reflect.ValueOf(*v)
		for f := range flags.NumField() {
			name := flags.Type().Field(f).Name
			if flags.Field(f).Kind() != reflect.Bool {
				continue
			}
			holds, ok := since[name]
			if !ok {
				t.Errorf("flag %s is not in the test", name)
			}
			if got, want := flags.Field(f).Bool(), n >= holds[0] && n <= holds[1]; got != want {
				t.Errorf("version %d, %s: got %v, want %v", n, name, got, want)
			}
		}
		if (v.MaxDepth == math.MaxInt64) == v.StrictJSON {
			t.Errorf("version %d: got depth %d, strict %v", n, v.MaxDepth, v.StrictJSON)
		}
	}
	formats := []version.IDFormat{version.IDGiven, version.IDGiven, version.IDBase64, version.IDURLSafe}
	algorithms := []version.Algorithm{version.V1, version.V2}
	for i, v := range all {
		if want := formats[min(i, 3)]; v.EventID != want {
			t.Errorf("version %s: got event id format %d, want %d", v.ID, v.EventID, want)
		}
		want := algorithms[min(i, 1)]
		if v.ID == "12" {
			want = version.V2_1
		}
		if v.StateRes != want {
			t.Errorf("version %s: got state resolution %d, want %d", v.ID, v.StateRes, want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, v := range version.All() {
		if got, ok := version.Lookup(v.ID); !ok || got != v {
			t.Errorf("%s: got %v, %v", v.ID, got, ok)
		}
	}
	for _, id := range []string{"", "0", "13", "01", "1.0", "org.matrix.msc2432"} {
		if got, ok := version.Lookup(id); ok {
			t.Errorf("%q: got %v, want none", id, got)
		}
	}
	if got := version.Default().ID; got != "12" {
		t.Errorf("default: got %s", got)
	}
	all := version.All()
	slices.Reverse(all)
	if version.All()[0].ID != "1" {
		t.Error("All shares its slice")
	}
}
