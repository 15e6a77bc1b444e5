package enginetest

import (
	"archive/tar"
	"errors"
	"io"
	"slices"
	"testing"
)

func TestRootFSHoldsTheProgram(t *testing.T) {
	var names []string
	for r := tar.NewReader(RootFS(t)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == "program" && (h.Mode&0o111 == 0 || h.Size == 0) {
			t.Errorf("program has mode %o and %d bytes", h.Mode, h.Size)
		}
	}
	if !slices.Contains(names, "program") || !slices.Contains(names, "etc/passwd") {
		t.Errorf("holds %v", names)
	}
}
