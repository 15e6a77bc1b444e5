package volume

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

func TestUsageCountsWhatIsOnDiskOnceAndFollowsNoLink(t *testing.T) {
	s := volumes(t)
	const mib = 1 << 20
	outside := t.TempDir()
	write(t, outside+"/big", strings.Repeat("x", 8*mib))
	data, code := ensure(t, s, named("db", "data")), ensure(t, s, named("", "code"))
	write(t, data+"/a/b/file", strings.Repeat("x", mib))
	must(t, os.Link(data+"/a/b/file", data+"/again"))
	must(t, os.Symlink(outside, data+"/link"))
	must(t, os.Symlink(outside+"/big", data+"/filelink"))
	sparse, err := os.Create(code + "/sparse")
	must(t, err)
	must(t, sparse.Truncate(64*mib))
	must(t, sparse.Close())

	usage, err := s.Usage(t.Context(), deployment)
	must(t, err)
	if got := usage["db/data"]; got < mib || got > mib+mib/8 {
		t.Errorf("db/data: %d bytes", got)
	}
	if got := usage["/code"]; got > mib/8 {
		t.Errorf("/code: %d bytes", got)
	}
	if len(usage) != 2 {
		t.Errorf("usage of %v", usage)
	}
}

func TestUsageIsKeptForAWhile(t *testing.T) {
	s := volumes(t)
	path := ensure(t, s, named("db", "data"))
	before, err := s.Usage(t.Context(), deployment)
	must(t, err)
	write(t, path+"/file", strings.Repeat("x", 1<<20))
	after, err := s.Usage(t.Context(), deployment)
	if err != nil || after["db/data"] != before["db/data"] {
		t.Errorf("measured again at once: %v, %v", after, err)
	}
	must(t, s.Reset(t.Context(), named("other", "volume"))) // a change of ours drops it
	if after, err = s.Usage(t.Context(), deployment); err != nil || after["db/data"] < 1<<20 {
		t.Errorf("not measured again: %v, %v", after, err)
	}
}

func TestUsageEndsWithItsContext(t *testing.T) {
	s := volumes(t)
	ensure(t, s, named("db", "data"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Usage(ctx, deployment); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-s.measure // somebody else measures
	if _, err := s.Usage(ctx, deployment); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.measure <- struct{}{}
}

func TestUsageOfNothing(t *testing.T) {
	s := volumes(t)
	if usage, err := s.Usage(t.Context(), deployment); err != nil || len(usage) != 0 {
		t.Error(usage, err)
	}
}

func TestFree(t *testing.T) {
	s := volumes(t)
	ensure(t, s, named("db", "data"))
	if free, err := s.Free(); err != nil || free <= 0 {
		t.Error(free, err)
	}
}
