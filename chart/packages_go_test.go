package chart

import (
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

func TestGoFindsTheProgram(t *testing.T) {
	spec := find[*appsv1.Deployment](t, render(t, element(t, "go", "development", "/web", Commands{})), "app").Spec.Template.Spec
	script := spec.Containers[0].Command[2]
	for name, c := range map[string]struct {
		mains string // import paths of the programs below the folder
		named string // by GO_PACKAGE
		want  string // empty: it says what to do
	}{
		"in the folder":     {"example.com/shop example.com/shop/tools/gen", "", "example.com/shop"},
		"the only one":      {"example.com/shop/internal/run", "", "example.com/shop/internal/run"},
		"a server":          {"example.com/shop/cmd/migrate example.com/shop/cmd/server", "", "example.com/shop/cmd/server"},
		"the module's name": {"example.com/shop/cmd/migrate example.com/shop/cmd/shop", "", "example.com/shop/cmd/shop"},
		"one in cmd":        {"example.com/shop/cmd/serve example.com/shop/examples/a", "", "example.com/shop/cmd/serve"},
		"named":             {"example.com/shop/cmd/a example.com/shop/cmd/b", "./cmd/b", "./cmd/b"},
		"several":           {"example.com/shop/cmd/a example.com/shop/cmd/b", "", ""},
		"none":              {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			w := workshop{t: t, dir: filepath.Join(root, "app"), bin: filepath.Join(root, "bin")}
			w.write("go.mod", "module example.com/shop\n")
			w.tool("go", `case "$*" in
*Name*) printf '%s\n' '' `+c.mains+` ;;
"env GOMOD") echo "`+root+`/app/go.mod" ;;
*) echo "$*" > "`+root+`/calls"; exit 3 ;;
esac`)
			said, err := w.output("export GO_PACKAGE='" + c.named + "'\n" + script)
			if c.want == "" {
				if err == nil || w.calls()[0] != "" || name == "several" && !strings.Contains(said, "GO_PACKAGE:\n  example.com/shop/cmd/a\n") {
					t.Errorf("%v: %s", err, said)
				}
				return
			}
			equal(t, "built", w.calls(), []string{"build -o /tmp/program " + c.want})
		})
	}
}
