package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/packages"
	"github.com/berth-dev/berth/stackfile"
	"github.com/spf13/cobra"
)

// packageRenderCommand needs no server: it is for people who write packages.
func (a *app) packageRenderCommand() *cobra.Command {
	var stage, values string
	c := leaf("render PACKAGE", "Print the objects that a package gives, with its default values", cobra.ExactArgs(1),
		func(_ *cobra.Command, args []string) error {
			files, name, err := packageFiles(args[0])
			if err != nil {
				return err
			}
			overrides, err := readValues(values)
			if err != nil {
				return err
			}
			text, warnings, err := render(files, name, stage, overrides)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				a.say("%s %s", a.paint(yellow, "Note:"), clean(w))
			}
			fmt.Fprint(a.out, text)
			return nil
		})
	c.Long = `Print the objects that a package gives an engine, with its default values and made-up hosts, images and directories.
PACKAGE is a package of the built-in catalogue, or a directory that begins with ./ or /.
FILE is YAML: parameter names with values that replace the defaults.`
	c.Flags().StringVar(&stage, "stage", "production", "stage to render for; development is live code, any other is built")
	c.Flags().StringVar(&values, "values", "", "file of parameter values")
	return c
}

// packageFiles opens a package of the catalogue or of this machine.
func packageFiles(name string) (fs.FS, string, error) {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") {
		root, err := os.OpenRoot(name)
		if err != nil {
			return nil, "", fmt.Errorf("open package: %w", err)
		}
		return root.FS(), "app", nil
	}
	catalogue := packages.FS()
	files, err := fs.Sub(catalogue, name)
	if err == nil {
		_, err = fs.Stat(files, packageFile)
	}
	if err != nil {
		return nil, "", berth.Errorf(berth.ENotFound, "there is no package %s: berth package ls lists them; a directory begins with ./", name)
	}
	return files, name, nil
}

const (
	packageFile = "diploi.yaml"
	helmDir     = ".diploi/helm"
)

func readValues(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	return stackfile.ParseValues(file, text)
}

// render renders a package as if it were the only element of a stack.
func render(files fs.FS, name, stage string, overrides map[string]string) (text string, warnings []string, err error) {
	data, err := fs.ReadFile(files, packageFile)
	if err != nil {
		return "", nil, fmt.Errorf("read package: %w", err)
	}
	pkg, findings, err := stackfile.ParsePackage(packageFile, data)
	if err != nil {
		return "", nil, err
	}
	for _, f := range findings {
		warnings = append(warnings, fmt.Sprint(f))
	}
	templates, err := readTemplates(files)
	if err != nil {
		return "", nil, err
	}
	kind := berth.KindBuild
	if stage == string(berth.KindDevelopment) {
		kind = berth.KindDevelopment
	}
	in := chart.Input{
		Files: templates, Element: name, Kind: kind, Values: exampleValues(pkg, name, stage, overrides),
		ClaimPath: func(claim string, _ int64) string { return "/volumes/" + name + "/" + claim },
	}
	if kind == berth.KindDevelopment {
		in.Code = "/volumes/code"
	}
	out, err := chart.Render(in)
	if err != nil {
		return "", nil, err
	}
	text, err = chart.Describe(out.Objects)
	return text, append(warnings, out.Warnings...), err
}

func readTemplates(files fs.FS) (map[string][]byte, error) {
	entries, err := fs.ReadDir(files, helmDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	templates := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		file := path.Join(helmDir, e.Name())
		if templates[file], err = fs.ReadFile(files, file); err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
	}
	return templates, nil
}

// examplePort stands for a port that only the image says.
const examplePort = 8080

// exampleValues are a package's defaults in made-up surroundings. Expressions stay as they are written.
func exampleValues(pkg *stackfile.Package, name, stage string, overrides map[string]string) chart.Values {
	v := chart.Values{
		Enabled: true, Stage: stage, Identifier: name, Folder: "/" + name,
		Images: map[string]string{}, Hosts: map[string]string{}, GroupsEnabled: map[string]bool{}, Storage: map[string]string{},
		Env: []chart.Variable{{Identifier: "STAGE", Value: stage}},
	}
	for _, i := range pkg.Images {
		v.Images[i.Identifier] = "example/" + name + "-" + i.Identifier + ":latest"
		if i.Image != "" {
			v.Images[i.Identifier] = i.Image
		}
	}
	hosts, _ := stackfile.MergeHosts(pkg.Hosts, nil, pkg.SupportsAdditionalHosts)
	for _, h := range hosts {
		host, port := h.Identifier+"-"+name+".example.test", cmp.Or(h.Port, examplePort)
		v.Hosts[h.Identifier] = host
		v.Ports = append(v.Ports, chart.Port{Identifier: h.Identifier, Port: port, ServiceName: h.Service})
		v.Endpoints = append(v.Endpoints, chart.Endpoint{Identifier: h.Identifier, URL: host, ServiceName: h.Service, Port: port})
	}
	value := func(p stackfile.Parameter) string {
		if over, ok := overrides[p.Identifier]; ok {
			return over
		}
		if p.Secret() {
			return berth.SecretToken("aaaaaaaaaa", 1)
		}
		return p.Default
	}
	for _, g := range pkg.ParameterGroups {
		v.GroupsEnabled[g.Identifier] = g.Enabled
		for _, p := range g.Parameters {
			v.Parameters = append(v.Parameters, chart.Parameter{Identifier: p.Identifier, Value: value(p)})
			v.Env = append(v.Env, chart.Variable{Identifier: p.Identifier, Value: value(p)})
		}
	}
	for _, p := range pkg.EnvironmentVariables {
		v.Env = append(v.Env, chart.Variable{Identifier: p.Identifier, Value: value(p)})
	}
	for _, s := range pkg.Storage {
		if !s.In(stage) {
			continue
		}
		v.Storage[s.Identifier] = "/volumes/" + name + "/" + s.Identifier
	}
	return v
}
