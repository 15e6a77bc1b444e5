package release

import "testing"

func TestAnElementsIgnoreFileIsRewrittenToTheRepositoryRoot(t *testing.T) {
	got := string(ignoreFor([]byte("*.log"), []byte("# ours\nnode_modules\n!dist/keep\n/../secret\n\n"), "/web"))
	want := "*.log\nweb/node_modules\n!web/dist/keep\nweb/secret\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string(ignoreFor([]byte("a"), []byte("b"), "/")); got != "a" {
		t.Errorf("the root's own file is not doubled: %q", got)
	}
}
