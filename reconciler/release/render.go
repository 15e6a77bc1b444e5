package release

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/chart"
	"github.com/berth-dev/berth/params"
	"github.com/berth-dev/berth/stackfile"
)

// render turns every element into objects, and makes the volumes they need.
func (l *Loop) render(ctx context.Context, j *job, elements []element, rows []berth.Host, values resolved, images map[string]image) (out []berth.ReleaseElement, used []berth.Volume, err error) {
	for _, e := range elements {
		if err := checkPorts(e); err != nil {
			return nil, nil, err
		}
		one, err := l.renderElement(ctx, j, e, rows, values[e.Identifier], images[e.Identifier])
		if err != nil {
			return nil, nil, named(e.Identifier, err)
		}
		out, used = append(out, one), append(used, one.Volumes...)
	}
	return out, used, nil
}

// named says which element an error is about, to people as well.
func named(element string, err error) error {
	if code := berth.CodeOf(err); code != berth.EInternal {
		return berth.Errorf(code, "%s: %w", element, err)
	}
	return fmt.Errorf("%s: %w", element, err)
}

func (l *Loop) renderElement(ctx context.Context, j *job, e element, rows []berth.Host, values []params.Value, img image) (berth.ReleaseElement, error) {
	volumes, storage, mounts, err := l.storage(ctx, j, e)
	if err != nil {
		return berth.ReleaseElement{}, err
	}
	in := chart.Input{Files: e.files.charts(), Element: e.Identifier, Kind: j.deployment.Kind, Values: l.values(j, e, rows, values, storage, img)}
	if j.deployment.Kind == berth.KindDevelopment {
		in.Code = l.Volumes.Path(codeVolume(j))
	}
	if j.deployment.Kind == berth.KindBuild {
		in.Replicas, in.PreDeploy, in.Revision = e.Replicas, e.PreDeploy, j.release.Revision
	}
	if in.Replicas > 1 && len(mounts) > 0 {
		return berth.ReleaseElement{}, berth.Errorf(berth.EUnsupported, "berth.replicas and berth.storage do not go together: instances of one element may not write to the same volume")
	}
	claims := map[string]berth.Volume{}
	in.ClaimPath = func(name string, size int64) string {
		v := berth.Volume{Deployment: j.deployment.ID, Element: e.Identifier, Identifier: name, SizeBytes: size, UID: -1, GID: -1}
		claims[name] = v
		return l.Volumes.Path(v)
	}
	rendered, err := chart.Render(in)
	if err != nil {
		return berth.ReleaseElement{}, err
	}
	for _, w := range rendered.Warnings {
		l.Log.Info("package", "deployment", j.deployment.Slug, "element", e.Identifier, "warning", w)
	}
	for _, v := range claims {
		if _, _, err := l.Volumes.Ensure(ctx, v); err != nil {
			return berth.ReleaseElement{}, fmt.Errorf("make volume %s: %w", v.Identifier, err)
		}
		volumes = append(volumes, v)
	}
	chart.AddMounts(rendered.Objects, mounts)
	objects, err := chart.Marshal(rendered.Objects)
	if err != nil {
		return berth.ReleaseElement{}, fmt.Errorf("encode objects: %w", err)
	}
	return berth.ReleaseElement{
		Identifier: e.Identifier, Kind: e.Kind, Name: e.Name, Image: img.ref, Objects: objects,
		Routes: rendered.Routes, Services: rendered.Services, Volumes: volumes, Workloads: rendered.Workloads,
		Health: e.Health, Restarts: j.deployment.Restarts[e.Identifier], Parameters: shown(e, values),
	}, nil
}

// chartStage is the stage as packages know it: they compare with the literal "development", so every
// stage of that kind is called so.
func chartStage(d berth.Deployment) string {
	if d.Kind == berth.KindDevelopment {
		return "development"
	}
	return d.Stage
}

// packageStage is the stage whose volumes a package gives: a project's own build stages get those of production.
func packageStage(d berth.Deployment) string {
	usual := slices.ContainsFunc(berth.DefaultStages(), func(s berth.Stage) bool { return s.Identifier == d.Stage })
	if d.Kind == berth.KindBuild && !usual {
		return "production"
	}
	return chartStage(d)
}

// values is the contract of the package format for one element.
func (l *Loop) values(j *job, e element, rows []berth.Host, values []params.Value, storage map[string]string, img image) chart.Values {
	v := chart.Values{
		Enabled: true, Stage: chartStage(j.deployment), Identifier: e.Identifier, Folder: e.Folder,
		Images: map[string]string{}, Hosts: map[string]string{}, GroupsEnabled: map[string]bool{}, Storage: storage,
		ContainerCommands: chart.Commands(e.ContainerCommands),
	}
	for _, i := range e.pkg.Images {
		v.Images[i.Identifier] = img.ref
	}
	for _, h := range e.hosts {
		v.Ports = append(v.Ports, chart.Port{Identifier: h.Identifier, Port: h.Port, ServiceName: h.Service})
		for _, row := range rows {
			if row.Element == e.Identifier && row.Identifier == h.Identifier {
				v.Hosts[h.Identifier] = row.Name
				v.Endpoints = append(v.Endpoints, chart.Endpoint{Identifier: h.Identifier, URL: row.Name, ServiceName: h.Service, Port: h.Port})
			}
		}
	}
	declared := map[string]bool{}
	for _, g := range e.pkg.ParameterGroups {
		v.GroupsEnabled[g.Identifier] = g.Enabled
		for _, p := range g.Parameters {
			declared[p.Identifier] = true
		}
	}
	for _, value := range values {
		v.Env = append(v.Env, chart.Variable{Identifier: value.Name, Value: value.Value})
		if declared[value.Name] {
			v.Parameters = append(v.Parameters, chart.Parameter{Identifier: value.Name, Value: value.Value})
		}
	}
	return v
}

// storage makes the volumes of an element: the package's by their identifier in the chart's values,
// the project's own as mounts that the chart knows nothing of.
func (l *Loop) storage(ctx context.Context, j *job, e element) (volumes []berth.Volume, storage map[string]string, mounts []chart.Mount, err error) {
	storage = map[string]string{}
	ensure := func(s stackfile.Storage) (string, error) {
		v := berth.Volume{Deployment: j.deployment.ID, Element: e.Identifier, Identifier: s.Identifier,
			SizeBytes: s.SizeMiB << 20, UID: s.UID, GID: s.GID}
		path, _, err := l.Volumes.Ensure(ctx, v)
		if err != nil {
			return "", fmt.Errorf("make volume %s: %w", s.Identifier, err)
		}
		volumes = append(volumes, v)
		return path, nil
	}
	for _, s := range e.pkg.Storage {
		if !s.In(packageStage(j.deployment)) {
			continue
		}
		if storage[s.Identifier], err = ensure(s); err != nil {
			return nil, nil, nil, err
		}
	}
	for _, s := range e.Storage {
		path, err := ensure(s)
		if err != nil {
			return nil, nil, nil, err
		}
		mounts = append(mounts, chart.Mount{Identifier: s.Identifier, HostPath: path, Path: s.Path})
	}
	return volumes, storage, mounts, nil
}

func codeVolume(j *job) berth.Volume {
	return berth.Volume{Deployment: j.deployment.ID, Identifier: berth.CodeVolume, UID: 1000, GID: 1000}
}

// shown is what people may read of the parameters: secret ones without a value.
func shown(e element, values []params.Value) (out []berth.Parameter) {
	for _, v := range values {
		p := berth.Parameter{Element: e.Identifier, Name: v.Name, Value: v.Value, Secret: v.Secret, Origin: v.Origin, ReadOnly: v.ReadOnly}
		p.Secret = p.Secret || strings.Contains(p.Value, "BERTHSECRET-")
		out = append(out, p)
	}
	return out
}
