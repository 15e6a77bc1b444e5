package volume

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth"
)

func TestStamp(t *testing.T) {
	s := volumes(t)
	code := named("", "code")
	if _, err := s.Stamp(deployment, code, "file"); err == nil {
		t.Error("a volume that is not there has a stamp")
	}
	dir := ensure(t, s, code)
	file := filepath.Join(dir, "file")
	seen := map[string]string{}
	differs := func(what string) {
		t.Helper()
		stamp, err := s.Stamp(deployment, code, "file")
		must(t, err)
		if again, err := s.Stamp(deployment, code, "file"); err != nil || again != stamp {
			t.Errorf("%s: %q, then %q, %v", what, stamp, again, err)
		}
		if before, known := seen[stamp]; known {
			t.Errorf("%s has the stamp of %s", what, before)
		}
		seen[stamp] = what
	}
	differs("no file")
	write(t, file, "one")
	differs("a file")
	write(t, file, "two")
	differs("other content of the same length")
	write(t, dir+"/new", "two")
	must(t, os.Rename(dir+"/new", file))
	differs("another file of the same content")
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "x")
	must(t, os.Remove(file))
	must(t, os.Symlink(outside, file))
	differs("a link")
	before, _ := s.Stamp(deployment, code, "file")
	write(t, outside, "what a link leads to is not looked at")
	if after, _ := s.Stamp(deployment, code, "file"); after != before {
		t.Error("a link was followed")
	}
	for _, name := range []string{"", "..", "../code/file", "/etc/passwd", "dir/file"} {
		_, err := s.Stamp(deployment, code, name)
		if name != ".." {
			wantCode(t, err, berth.EInvalid)
		}
	}
}
