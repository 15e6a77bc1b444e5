package packages

import (
	"io/fs"
	"strings"
	"testing"
)

func TestEveryPackageIsComplete(t *testing.T) {
	folders, err := fs.ReadDir(FS(), ".")
	if err != nil || len(folders) == 0 {
		t.Fatal("the catalogue is empty", err)
	}
	for _, folder := range folders {
		charts, err := fs.Glob(FS(), folder.Name()+"/.diploi/helm/*.yaml")
		if err != nil || len(charts) == 0 {
			t.Errorf("%s has no chart: %v", folder.Name(), err)
		}
		for _, name := range []string{"diploi.yaml", "README.md"} {
			if _, err := fs.Stat(FS(), folder.Name()+"/"+name); err != nil {
				t.Error(err)
			}
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(FS(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// part is what stands between two marks of a file, without indentation and a chart's quotes.
func part(t *testing.T, name, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, name), from)
	text, _, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatalf("%s has no part from %q to %q", name, from, to)
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimSpace(line) + "\n")
	}
	return strings.NewReplacer("{{`", "", "`}}", "").Replace(out.String())
}

// Packages share scripts and settings, which the format has no way to say: they are alike to the letter.
func TestWhatPackagesShareIsAlike(t *testing.T) {
	const (
		chart     = "/.diploi/helm/app.yaml"
		nodeBuild = "FROM node:22-slim AS build"
	)
	type place struct{ file, from, to string }
	for what, places := range map[string][]place{
		"installing for Node.js": {
			{"nodejs" + chart, "initContainers:", "containers:"},
			{"react-vite" + chart, "initContainers:", "containers:"},
			{"nextjs" + chart, "initContainers:", "containers:"},
		},
		"building for Node.js": {
			{"nodejs/Dockerfile", nodeBuild, "RUN npm run build"},
			{"react-vite/Dockerfile", nodeBuild, "RUN npm run build"},
			{"nextjs/Dockerfile", nodeBuild, "RUN NEXT_TELEMETRY_DISABLED=1 npm run build"},
		},
		"installing for Python": {
			{"python" + chart, "has() {", "lock=\n"},
			{"python/Dockerfile", "has() {", "lock=\n"},
		},
		"finding Python's application": {
			{"python" + chart, "# declared CLASS", "if [ -d .venv ]"},
			{"python/Dockerfile", "# declared CLASS", "if [ -f manage.py ]"},
		},
		"finding Go's program": {
			{"go" + chart, "# The program is", "name=$(program)"},
			{"go/Dockerfile", "# The program is", "if [ \"$(go env GOMOD)\""},
		},
		"serving files": {
			{"static/Dockerfile", "ENV PORT=3000", "COPY --from=files"},
			{"static/Dockerfile.dev", "ENV PORT=3000", "RUN mkdir -p /app"},
		},
		"running an image": {
			{"dockerfile" + chart, "", "path: {{ .Values.storage.code.hostPath }}"},
			{"image" + chart, "", "path: {{ .Values.storage.code.hostPath }}"},
		},
	} {
		first := part(t, places[0].file, places[0].from, places[0].to)
		for _, p := range places[1:] {
			if strings.TrimSpace(part(t, p.file, p.from, p.to)) != strings.TrimSpace(first) {
				t.Errorf("%s: %s differs from %s", what, p.file, places[0].file)
			}
		}
	}
	components := []string{"dockerfile", "go", "image", "nextjs", "nodejs", "python", "react-vite", "static"}
	for _, name := range components[1:] {
		for _, file := range []string{"/.diploi/helm/ingress.yaml", "/.diploi/helm/service.yaml"} {
			if read(t, name+file) != read(t, components[0]+file) {
				t.Errorf("%s differs from %s", name+file, components[0]+file)
			}
		}
	}
}

// What runs in build stages is nobody's root, and starts from images that Berth can make itself.
func TestImagesThatPackagesBuildDoNotRunAsRoot(t *testing.T) {
	dockerfiles, err := fs.Glob(FS(), "*/Dockerfile*")
	if err != nil || len(dockerfiles) == 0 {
		t.Fatal(dockerfiles, err)
	}
	for _, name := range dockerfiles {
		user := ""
		for line := range strings.Lines(read(t, name)) {
			switch instruction, argument, _ := strings.Cut(strings.TrimSpace(line), " "); instruction {
			case "FROM":
				user = ""
			case "USER":
				user = argument
			}
		}
		if user != "1000:1000" {
			t.Errorf("%s ends as user %q", name, user)
		}
	}
}
