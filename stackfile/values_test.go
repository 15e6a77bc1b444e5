package stackfile_test

import (
	"maps"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/stackfile"
)

func TestAFileOfValuesIsAFlatMapping(t *testing.T) {
	values, err := stackfile.ParseValues("v.yaml", []byte("LEVEL: debug\nPORT: 3000\nON: true\n"))
	if want := map[string]string{"LEVEL": "debug", "PORT": "3000", "ON": "true"}; err != nil || !maps.Equal(values, want) {
		t.Errorf("got %v, %v", values, err)
	}
	for _, bad := range []string{"- a\n", "A: [1]\n", "A: {b: c}\n", "A: [\n"} {
		if _, err := stackfile.ParseValues("v.yaml", []byte(bad)); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
