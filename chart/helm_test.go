package chart

import (
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// helmTexts renders with Helm's own engine, which is the measure of ours.
func helmTexts(files map[string][]byte, in Input) (map[string]string, error) {
	c := &helmchart.Chart{Metadata: &helmchart.Metadata{Name: "package", Version: "0.0.0"}}
	for name, data := range files {
		c.Templates = append(c.Templates, &helmchart.File{Name: "templates/" + path.Base(name), Data: data})
	}
	b := builtins("", in.Values.tree(in), in.Element)
	return engine.Render(c, chartutil.Values{"Values": b["Values"], "Release": b["Release"], "Capabilities": b["Capabilities"]})
}

// requireHelmsText fails unless our engine gives what Helm's gives, byte for byte.
func requireHelmsText(t *testing.T, in Input) {
	t.Helper()
	want, err := helmTexts(in.Files, in)
	if err != nil {
		t.Fatalf("helm: %v", err)
	}
	texts, err := execute(in.Files, in.Values.tree(in), in.Element)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range texts {
		if diff := cmp.Diff(want[templatePath+"/"+path.Base(x.file)], x.content); diff != "" {
			t.Errorf("%s differs from Helm's (-helm +ours):\n%s", x.file, diff)
		}
	}
}
