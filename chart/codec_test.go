package chart

import (
	"bytes"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func TestMarshalAndUnmarshalAreInverse(t *testing.T) {
	for _, name := range []string{"new-hosts", "old-hosts", "sidecar", "traps"} {
		out := render(t, web(fixture(t, name)))
		data, err := Marshal(out.Objects)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Unmarshal(data)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, back, out.Objects)
		again, err := Marshal(back)
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%s: %v\n%s\n%s", name, err, data, again)
		}
	}
	if data, err := Marshal(nil); err != nil || string(data) != "[]" {
		t.Errorf("no objects: %s, %v", data, err)
	}
}

func TestUnmarshalRefusesWhatIsNotOfTheList(t *testing.T) {
	for _, data := range []string{`[{"apiVersion":"v1","kind":"Pod"}]`, `[{}]`, `{}`, `[1]`, ``, `[{"apiVersion":"v1","kind":"Service","spec":7}]`} {
		if objects, err := Unmarshal([]byte(data)); err == nil {
			t.Errorf("%s gave %d objects", data, len(objects))
		}
	}
}

func TestDescribeMasksSecrets(t *testing.T) {
	in := web(object1(plainApp + `
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {plain: hunter2}
data: {encoded: {{ (index .Values.env 0).value | b64enc }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {url: "postgres://u:{{ (index .Values.env 0).value }}@db"}
`))
	token := berth.SecretToken("abcdefghij", 3)
	in.Values.Env = []Variable{{"PASSWORD", token}}
	out := render(t, in)
	text, err := Describe(out.Objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{token, "hunter2", "QkVSVEhTRUNSRVQ", "aHVudGVyMg"} {
		if strings.Contains(text, leak) {
			t.Errorf("%s is to be seen in\n%s", leak, text)
		}
	}
	for _, want := range []string{"kind: Deployment", "postgres://u:•••@db", "encoded: •••", "plain: •••"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if again, _ := Describe(out.Objects); again != text {
		t.Error("describing changed the objects")
	}
}

func TestDescribeShowsControlCharacters(t *testing.T) {
	in := web(fixture(t, "new-hosts"))
	in.Values.Env = []Variable{{"A", "x\u0081\u007f\ufeff✓\x01"}}
	text, err := Describe(render(t, in).Objects)
	if err != nil || !strings.Contains(text, `"x\x81\x7F\uFEFF✓\x01"`) {
		t.Errorf("%v\n%s", err, text)
	}
}
