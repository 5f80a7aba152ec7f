package conformance

import (
	"regexp"
	"testing"
)

func TestB1(t *testing.T) {
	a := nobody(t).get("/versions").ok()
	form := regexp.MustCompile(`^(r0\.\d+\.\d+|v[1-9]\d*\.\d+)(-\S+)?$`)
	if len(a.list("versions")) == 0 {
		t.Errorf("no versions in %s", a.raw)
	}
	for _, v := range a.list("versions") {
		if !form.MatchString(v.str()) {
			t.Errorf("version %v is not of the form", v)
		}
	}
	for _, k := range a.keys("unstable_features") {
		if _, ok := a.at("unstable_features", k).v.(bool); !ok {
			t.Errorf("unstable feature %s is no boolean", k)
		}
	}
}
