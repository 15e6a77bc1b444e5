package chart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func executeOne(template string) (string, error) {
	in := web(map[string][]byte{".diploi/helm/app.yaml": []byte(template)})
	texts, err := execute(in.Files, in.Values.tree(in), in.Element)
	if err != nil {
		return "", err
	}
	return texts[0].content, nil
}

// Each of these is rendered by Helm's engine too, and must come out the same.
func TestTemplatesRenderAsHelmRendersThem(t *testing.T) {
	for _, template := range []string{
		`{{ .Values.missing }}|{{ .Values.hosts.none }}|{{ .Values.missing | quote }}`,
		`{{ range .Values.env }}{{ .identifier }}={{ .value | quote }};{{ else }}none{{ end }}`,
		`{{ range $i, $p := .Values.ports }}{{ if $i }},{{ end }}{{ $p.port }}{{ end }}`,
		`{{- with .Values.containerCommands.productionStart }}{{ . }}{{ else }}default{{ end -}}`,
		`{{ ternary 1 0 .Values.enabled }}{{ eq .Values.stage "production" }}{{ ne 1 2 }}{{ not true }}`,
		`{{ (index .Values.ports 0).port }}{{ index .Values.envMap "A" }}{{ ((.Values.envMap.NONE).value) }}`,
		`{{ if and (ne .Values.stage "development")
                  (hasKey .Values.storage "data") }}yes{{ end }}`,
		`{{ .Release.Namespace }}/{{ .Release.Name }}/{{ .Release.Service }}/{{ .Chart.Name }}`,
		`{{ $x := 1 }}{{ range .Values.env }}{{ $x = add $x 1 }}{{ end }}{{ $x }}`,
		`{{ define "named" }}<{{ . }}>{{ end }}{{ template "named" "a" }}{{ include "named" "b" | upper }}`,
		`{{ list 1 2 3 | join "," }}{{ dict "a" 1 "b" (list 2 3) | toJson }}{{ "a,b" | splitList "," | first }}`,
		`{{ toYaml .Values.env | nindent 2 }}{{ .Values.env | toJson | indent 4 }}`,
		`{{ printf "%s-%d-%5.2f" "a" 3 1.5 }}{{ print 1 2 "x" }}{{ "<a>" | html }}`,
		`{{ "a.b.c" | replace "." "-" | trunc 3 }}{{ "x" | repeat 3 }}{{ regexReplaceAll "a+" "baac" "x" }}`,
		`{{ "text" | b64enc }}{{ "text" | sha256sum }}{{ default "d" "" }}{{ coalesce "" "c" }}`,
		`{{ range until 3 }}{{ . }}{{ end }}{{ range 3 }}{{ . }}{{ end }}{{ range $k, $v := dict "b" 1 "a" 2 }}{{ $k }}{{ $v }}{{ end }}`,
		`{{ range .Values.env }}{{ if eq .identifier "B" }}{{ break }}{{ end }}{{ if eq .identifier "A" }}{{ continue }}{{ end }}{{ .identifier }}{{ end }}`,
		`{{ required "need it" .Values.stage }}{{ semverCompare ">=1.20" .Capabilities.KubeVersion.Version }}`,
		`{{ $d := dict }}{{ $_ := set $d "k" "v" }}{{ $d.k }}{{ get $d "k" }}{{ pluck "k" $d }}{{ kindOf $d }}`,
		`{{ .Template.Name }} {{ .Template.BasePath }}`,
		`{{/* a comment */}}{{- "trimmed" -}}   `,
		`{{ "3" | int }}{{ 3.7 | floor }}{{ "true" | toString }}{{ typeOf 1 }}{{ 0x10 }}{{ 'a' }}`,
	} {
		in := web(map[string][]byte{".diploi/helm/app.yaml": []byte(template)})
		requireHelmsText(t, in)
	}
}

func TestHostileTemplatesEndSoon(t *testing.T) {
	double := `{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range until 64 }}{{ $x = print $x $x }}{{ end }}`
	for name, template := range map[string]string{
		"range over a huge number":   `{{ range 1000000000000 }}{{ end }}`,
		"until":                      `{{ until 1000000000 }}`,
		"untilStep":                  `{{ untilStep 0 1000000000 1 }}`,
		"seq":                        `{{ seq 1 1000000000 }}`,
		"repeat":                     `{{ repeat 1000000000 "x" }}`,
		"indent":                     `{{ indent 1000000000 "x" }}`,
		"nindent many lines":         `{{ nindent 100000 (repeat 100000 "\n") }}`,
		"printf width":               `{{ printf "%1000000d" 1 }}`,
		"printf star":                `{{ printf "%*d" 1000000 1 }}`,
		"doubling text":              double,
		"doubling lists":             `{{ $x := list 1 }}{{ range until 64 }}{{ $x = list $x $x }}{{ end }}{{ $x }}`,
		"a dict that holds itself":   `{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}`,
		"two dicts in a circle":      `{{ $a := dict }}{{ $b := dict "a" $a }}{{ $_ := set $a "b" $b }}{{ toJson $b }}`,
		"a shared dict grows later":  `{{ $in := dict }}{{ $l := list }}{{ range until 2000 }}{{ $l = append $l $in }}{{ end }}{{ $_ := set $in "k" (repeat 10000 "x") }}{{ $l }}`,
		"replace":                    `{{ $x := repeat 10000 "x" }}{{ replace "x" $x $x }}`,
		"replace in a loop":          `{{ $x := "xx" }}{{ range until 40 }}{{ $x = replace "x" $x $x }}{{ end }}`,
		"join":                       `{{ $s := repeat 50000 "x" }}{{ join $s (until 50000) }}`,
		"regex replace":              `{{ $s := repeat 50000 "x" }}{{ regexReplaceAll "x" $s $s }}`,
		"nested loops":               `{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}`,
		"a loop with a long body":    `{{ range until 100000 }}` + strings.Repeat(`{{ if false }}{{ end }}`, 1000) + `{{ end }}`,
		"template calls itself":      `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`,
		"include calls itself":       `{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`,
		"templates double":           billionTemplates(),
		"large output":               `{{ range until 10000 }}` + strings.Repeat("x", 10000) + `{{ end }}`,
		"large output through value": `{{ $x := repeat 100000 "x" }}{{ range until 1000 }}{{ $x }}{{ end }}`,
		"parentheses":                `{{ ` + strings.Repeat("(", 200_000) + ` }}`,
		"regex":                      `{{ regexMatch "((a{1,100}){1,10}){1,1}$" (repeat 1000000 "a") }}`,
		"yaml aliases":               `{{ fromYaml "` + aliases(`\n`) + `" }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := executeOne(template) // one that did not end would take the test's whole time
			if berth.CodeOf(err) != berth.EInvalid {
				t.Fatalf("got %v, want a refusal", err)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// billionTemplates call each other twice, 40 deep.
func billionTemplates() string {
	var b strings.Builder
	b.WriteString(`{{ define "t0" }}x{{ end }}`)
	for i := 1; i <= 40; i++ {
		fmt.Fprintf(&b, `{{ define "t%d" }}{{ template "t%d" }}{{ template "t%d" }}{{ end }}`, i, i-1, i-1)
	}
	return b.String() + `{{ template "t40" }}`
}

// aliases is a small document that is huge once its aliases are followed.
func aliases(newline string) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]" + newline)
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]%s", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "), newline)
	}
	return b.String()
}

func TestYAMLAliasesAreBounded(t *testing.T) {
	document := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" + aliases("\n") + "data:\n  a: *a11\n"
	if _, err := Render(web(object1(document))); err == nil {
		t.Error("a list where text belongs was accepted")
	}
	document = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n" + strings.ReplaceAll(aliases("\n"), "[x, x, x, x, x, x, x, x, x, x]", "[{port: 1}, {port: 2}]") + "spec: {ports: *a11}\n"
	if _, err := Render(web(object1(document))); err == nil {
		t.Error("a list of lists where ports belong was accepted")
	}
}

func TestWithheldFunctions(t *testing.T) {
	t.Setenv("BERTH_TEST_SECRET", "leaked")
	for name := range withheld {
		if _, err := executeOne(`{{ ` + name + ` "BERTH_TEST_SECRET" }}`); err == nil || !strings.Contains(err.Error(), name+" may not be used") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, template := range []string{`{{ .Files.Get "x" }}`, `{{ .Files.Glob "*" }}`} {
		if text, err := executeOne(template); err == nil {
			t.Errorf("%s gave %q", template, text)
		}
	}
}

func TestEveryFunctionGivesTheSameTwice(t *testing.T) {
	const template = `{{ keys (dict "b" 1 "a" 2 "c" 3) }}{{ values (dict "b" 1 "a" 2 "c" 3) }}{{ toJson (dict "b" 1 "a" 2) }}{{ dict "b" 1 "a" 2 }}`
	first, err := executeOne(template)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := executeOne(template); again != first {
			t.Fatalf("%s, then %s", first, again)
		}
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"parse":             {"a: 1\nb: {{ if }}\n", ".diploi/helm/app.yaml:2: missing value for if"},
		"unclosed":          {"a: 1\n\n{{ if true }}\n", ".diploi/helm/app.yaml:4: unexpected EOF"},
		"unknown function":  {"\n\n{{ nonsense 1 }}", `.diploi/helm/app.yaml:3: function "nonsense" not defined`},
		"execute":           {"a: 1\n\n\nb: {{ .Values.stage.deep }}", ".diploi/helm/app.yaml:4: "},
		"nil":               {"{{- range .Values.env }}\n{{- end }}\nb: {{ .Values.none.deep }}", ".diploi/helm/app.yaml:3: "},
		"bool wanted":       {"\nb: {{ ternary 1 0 \"yes\" }}", ".diploi/helm/app.yaml:2: "},
		"fail":              {"\n{{ fail \"no port\" }}", ".diploi/helm/app.yaml:2: error calling fail: no port"},
		"required":          {"\n{{ required \"give a port\" .Values.none }}", ".diploi/helm/app.yaml:2: error calling required: give a port"},
		"not YAML":          {"a: b: c\n", ".diploi/helm/app.yaml: what it renders to is not YAML: mapping values are not allowed in this context"},
		"not YAML, quoted":  {"a: 1\nb: \"x\n", ".diploi/helm/app.yaml: what it renders to is not YAML"},
		"no kind":           {"a: 1\n", ".diploi/helm/app.yaml:1 (of the rendered text): is not a Kubernetes object"},
		"a list":            {"- 1\n", ".diploi/helm/app.yaml:1 (of the rendered text): is not a Kubernetes object"},
		"text for a number": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: many\n", `.diploi/helm/app.yaml:5 (of the rendered text): Deployment a: spec.replicas must be a number, not "many"`},
		"text for a bool":   {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nimmutable: perhaps\n", ".diploi/helm/app.yaml:4 (of the rendered text): ConfigMap a: immutable must be true or false"},
		"a list for text":   {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: [1]}\n", ".diploi/helm/app.yaml:4 (of the rendered text): ConfigMap a: data.x must be text"},
		"a bad quantity":    {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {resources: {requests: {storage: much}}}\n", ".diploi/helm/app.yaml: PersistentVolumeClaim a: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Render(web(object1(c.template)))
			if berth.CodeOf(err) != berth.EInvalid || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s…", err, c.want)
			}
		})
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	in := web(object1("a: b: {{ (index .Values.env 0).value }}\n"))
	token := berth.SecretToken("abcdefghij", 3)
	in.Values.Env = []Variable{{"PASSWORD", token}}
	if _, err := Render(in); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
}

func TestTooMuchSource(t *testing.T) {
	if _, err := executeOne(strings.Repeat("#", maxSource+1)); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("got %v", err)
	}
	if _, err := Render(web(map[string][]byte{"a/x.yaml": nil, "b/x.yaml": nil})); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("two files of one name: %v", err)
	}
}
