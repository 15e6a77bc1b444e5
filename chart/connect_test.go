package chart

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

const plainApp = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: a:1, ports: [{containerPort: 8080, name: http}]}]}
---
`

func ingressTo(host, path, backend string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: ingress}\nspec:\n  rules:\n    - host: " + host +
		"\n      http: {paths: [{path: " + path + ", pathType: Prefix, backend: {service: " + backend + "}}]}\n---\n"
}

func serviceWith(fields string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {selector: {app: app}, " + fields + "}\n---\n"
}

func TestConnections(t *testing.T) {
	const host = "web.example.com"
	byPort := "{name: app, port: {number: 80}}"
	for name, c := range map[string]struct {
		text    string
		route   int    // target port; 0: none
		warning string // part of the only warning
		code    berth.Code
		message string
	}{
		"number to number":     {text: serviceWith("ports: [{port: 80, targetPort: 8080}]") + ingressTo(host, "/", byPort), route: 8080},
		"number to name":       {text: serviceWith("ports: [{port: 80, targetPort: http}]") + ingressTo(host, "/", byPort), route: 8080},
		"name to name":         {text: serviceWith("ports: [{port: 80, name: web, targetPort: http}]") + ingressTo(host, "/", "{name: app, port: {name: web}}"), route: 8080},
		"port is the target":   {text: serviceWith("ports: [{port: 80}]") + ingressTo(host, "/", byPort), route: 80},
		"the second port":      {text: serviceWith("ports: [{port: 79, name: a}, {port: 80, name: b, targetPort: http}]") + ingressTo(host, "/", byPort), route: 8080},
		"foreign host":         {text: serviceWith("ports: [{port: 80}]") + ingressTo("bank.example", "/", byPort), warning: `"bank.example", which is no host of web`},
		"wildcard host":        {text: serviceWith("ports: [{port: 80}]") + ingressTo(`"*.example.com"`, "/", byPort), warning: "which is no host of web"},
		"no host":              {text: serviceWith("ports: [{port: 80}]") + ingressTo("", "/", byPort), warning: "which is no host of web"},
		"missing port":         {text: serviceWith("ports: [{port: 81}]") + ingressTo(host, "/", byPort), warning: "leads to port 80 of the Service app, which the package does not have"},
		"missing service":      {text: ingressTo(host, "/", byPort), warning: "leads to port 80 of the Service app, which the package does not have"},
		"a path of a host":     {text: serviceWith("ports: [{port: 80}]") + ingressTo(host, "/api", byPort), code: berth.EUnsupported, message: "Ingress ingress: path /api is not supported"},
		"missing named target": {text: serviceWith("ports: [{port: 80, targetPort: web}]"), code: berth.EInvalid, message: `Service app: no container of its pods has a port named "web"`},
		"port 0":               {text: serviceWith("ports: [{port: 0}]"), code: berth.EInvalid, message: "Service app: port 0 is not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Render(web(object1(plainApp + c.text)))
			if berth.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Fatalf("got %v, want %s %q", err, c.code, c.message)
			}
			if c.route == 0 && len(out.Routes) > 0 || c.route > 0 && (len(out.Routes) != 1 || out.Routes[0] != berth.Route{Host: host, Element: "web", Identifier: "app", Workload: "app", Port: c.route}) {
				t.Errorf("routes %v, want one to %d", out.Routes, c.route)
			}
			if c.warning == "" {
				wantNoWarnings(t, out)
			} else if len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], c.warning) {
				t.Errorf("warnings %q, want …%s…", out.Warnings, c.warning)
			}
		})
	}
}

func TestTheFirstServiceOfTheChartComesFirst(t *testing.T) {
	out := render(t, web(map[string][]byte{
		"a.yaml": []byte(plainApp + "apiVersion: v1\nkind: Service\nmetadata: {name: zebra}\nspec: {selector: {app: app}, ports: [{port: 1}]}"),
		"b.yaml": []byte("apiVersion: v1\nkind: Service\nmetadata: {name: ant}\nspec: {selector: {app: app}, ports: [{port: 1}]}"),
	}))
	if out.Services[0].Name != "zebra" || nameOf(out.Objects[0]) != "ant" {
		t.Errorf("services %v: the chart's order says which one answers for the element; objects are sorted", out.Services)
	}
}

func TestAForeignNamespaceIsIgnored(t *testing.T) {
	out := render(t, web(object1("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: other}")))
	if len(out.Warnings) != 1 || metaOf(out.Objects[0]).Namespace != "" {
		t.Errorf("warnings %q, namespace %q", out.Warnings, metaOf(out.Objects[0]).Namespace)
	}
}
