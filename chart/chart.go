// Package chart renders a package's Helm templates into typed Kubernetes objects of a closed
// list, normalises them so that equal intent gives equal bytes, refuses from one table what a
// chart may not have, and says as plain values what the floors above need: routes, service
// names, claims, workloads.
//
// It is pure: no I/O, no clock, no randomness; the same input gives the same output. It must
// not know Docker, the store, or how a package was found.
package chart

import (
	"cmp"
	"slices"

	"github.com/berth-dev/berth"
	"k8s.io/apimachinery/pkg/runtime"
)

// Input is one element to render.
type Input struct {
	// Files are the package's .diploi/helm files by path; the path is what messages call them.
	Files  map[string][]byte
	Values Values
	// Element is the element's identifier: the namespace that its objects live in.
	Element string
	Kind    berth.StageKind
	// Code is the host directory of the working tree, in development; else empty.
	Code string
	// AllowedHostPaths are directories that hostPath volumes may use besides Code and Values.Storage.
	AllowedHostPaths []string
	// Replicas is how many equal instances the project wants of each Deployment; zero: what the package says.
	Replicas int
	// PreDeploy is a command of the project that runs to its end once before anything of the release starts;
	// Revision is the release's.
	PreDeploy []string
	Revision  int
	// ClaimPath gives the host directory of a PersistentVolumeClaim. Nil leaves claims as they are.
	ClaimPath func(name string, sizeBytes int64) string
}

// Rendered is what became of an Input.
type Rendered struct {
	Objects  []runtime.Object    // sorted by kind and name
	Routes   []berth.Route       // in the chart's order
	Services []berth.ServiceName // in the chart's order: the first one answers for the element
	Claims   []berth.Volume      // one per PersistentVolumeClaim
	// Workloads says how many instances of each Deployment and StatefulSet the chart wants.
	Workloads map[string]int
	Warnings  []string
}

// Render renders the templates and returns what they ask for. What is wrong with the package is a
// *berth.Error that names the file and line, or the object and field.
func Render(in Input) (Rendered, error) {
	r := &rendering{in: in}
	texts, err := execute(in.Files, in.Values.tree(in), in.Element)
	if err != nil {
		return Rendered{}, err
	}
	steps := []func() error{
		func() error { return r.decode(texts) },
		r.checkNames,
		r.bindClaims,
		r.normalise,
		r.isolate,
		r.scale,
		r.preDeploy,
		r.refuse,
		r.connect,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Rendered{}, err
		}
	}
	slices.SortStableFunc(r.out.Objects, byKindAndName)
	return r.out, nil
}

// rendering is one call of Render on its way.
type rendering struct {
	in  Input
	out Rendered
}

func (r *rendering) warn(text string) {
	if !slices.Contains(r.out.Warnings, text) {
		r.out.Warnings = append(r.out.Warnings, text)
	}
}

func byKindAndName(a, b runtime.Object) int {
	return cmp.Or(
		cmp.Compare(rankOf(a), rankOf(b)),
		cmp.Compare(nameOf(a), nameOf(b)),
	)
}
