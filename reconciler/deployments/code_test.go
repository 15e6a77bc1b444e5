package deployments_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

func TestInDevelopmentComponentsWaitForTheirCode(t *testing.T) {
	b := newBenchOf(t, berth.KindDevelopment)
	id := b.release(berth.ReleaseStarting, "web:1")
	b.run(time.Minute)
	if seen := b.observed(); len(seen.Instances) != 0 || !strings.Contains(seen.Elements[0].Message, "being cloned") {
		t.Errorf("%d instances run without their code; web %q", len(seen.Instances), seen.Elements[0].Message)
	}
	b.update(func(tx *sqlite.Tx) error {
		return tx.PutVolume(berth.Volume{Deployment: shop, Identifier: berth.CodeVolume})
	})
	b.run(time.Minute)
	if r := b.state(id); r.State != berth.ReleaseServing {
		t.Errorf("with its code the release is %s: %q", r.State, r.Message)
	}
}
