package images

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestMachineMirror(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  mirror
	}{
		"one line each": {
			map[string]string{"sources.list": "# deb http://old.example/debian x main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main\ndeb-src http://src.example/debian bookworm main\ndeb https://mirror.example/debian-security bookworm-security main\n"},
			mirror{"http://mirror.example/debian", "https://mirror.example/debian-security"},
		},
		"deb822": {
			map[string]string{"sources.list.d/debian.sources": "Types: deb\nURIs: http://mirror.example/debian http://second.example/debian\nSuites: bookworm\n\nTypes: deb\nURIs: http://mirror.example/debian-security\n"},
			mirror{"http://mirror.example/debian", "http://mirror.example/debian-security"},
		},
		"others' archives": {
			map[string]string{"sources.list.d/node.list": "deb https://deb.example/node_22.x nodistro main\n"},
			mirror{"http://deb.debian.org/debian", "http://deb.debian.org/debian-security"},
		},
		"no apt": {nil, mirror{"http://deb.debian.org/debian", "http://deb.debian.org/debian-security"}},
	} {
		t.Run(name, func(t *testing.T) {
			apt := fstest.MapFS{}
			for file, content := range test.files {
				apt[file] = &fstest.MapFile{Data: []byte(content)}
			}
			got := machineMirror(apt)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if sources := got.sources(); !strings.Contains(sources, "URIs: "+test.want.security+"\nSuites: trixie-security\n") {
				t.Errorf("sources:\n%s", sources)
			}
		})
	}
}

func TestStepFilterPassesStepsOnly(t *testing.T) {
	var got strings.Builder
	f := &stepFilter{w: &got, prefix: "node: "}
	for _, part := range []string{"#1 [internal] load\n#1 DONE 0.1s\n#2 [build 1/2] RUN n", "pm ci\n#2 added 3 packages\n", "#2 DONE 3.1s\nI: Validating apt 3.0\nI: Base system installed\n"} {
		if _, err := f.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "node: #2 [build 1/2] RUN npm ci\nnode: #2 DONE 3.1s\nnode: I: Base system installed\n"
	if got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}
