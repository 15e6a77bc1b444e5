package chart

import "github.com/berth-dev/berth"

// Values is what a package's templates may read.
type Values struct {
	Enabled    bool
	Stage      string
	Identifier string
	Folder     string            // with a leading slash; "/" or "" is the repository's root
	Images     map[string]string // by image identifier
	Hosts      map[string]string // by host identifier: the bare host name
	Endpoints  []Endpoint
	Ports      []Port
	// Env is ordered and already merged; of two equal identifiers the last wins.
	Env []Variable
	// Parameters are the package's own, those of disabled groups included.
	Parameters    []Parameter
	GroupsEnabled map[string]bool
	// Storage maps a volume's identifier to its host directory.
	Storage           map[string]string
	ContainerCommands Commands
}

// Endpoint is a public host that leads to a Service.
type Endpoint struct {
	Identifier  string
	URL         string // a bare host name, despite what the format calls it
	ServiceName string
	Port        int
}

// Port is a port of a Service.
type Port struct {
	Identifier  string
	Port        int
	ServiceName string
}

// Variable is an environment variable.
type Variable struct{ Identifier, Value string }

// Parameter is one of the package's parameters.
type Parameter struct{ Identifier, Value string }

// Commands are what a project starts instead of the image's command; empty: the image's.
type Commands struct{ DevelopmentStart, ProductionStart string }

type object = map[string]any

// tree builds .Values. Every map exists even when it is empty, because charts index into them.
func (v Values) tree(in Input) object {
	return object{
		"enabled":                v.Enabled,
		"stage":                  v.Stage,
		"identifier":             v.Identifier,
		"folder":                 v.Folder,
		"images":                 scalars(v.Images),
		"hosts":                  scalars(v.Hosts),
		"endpoints":              v.endpoints(),
		"ports":                  v.ports(),
		"env":                    v.env(),
		"envMap":                 v.envMap(),
		"parameterGroups":        v.parameters(),
		"parameterGroupsMap":     v.parameterMap(),
		"parameterGroupsEnabled": v.groups(),
		"storage":                v.storage(in),
		"containerCommands":      v.ContainerCommands.tree(),
	}
}

func scalars(m map[string]string) object {
	out := object{}
	for k, s := range m {
		out[k] = s
	}
	return out
}

func (v Values) endpoints() []any {
	out := []any{}
	for _, e := range v.Endpoints {
		out = append(out, object{"identifier": e.Identifier, "url": e.URL, "serviceName": e.ServiceName, "port": e.Port})
	}
	return out
}

func (v Values) ports() []any {
	out := []any{}
	for _, p := range v.Ports {
		out = append(out, object{"identifier": p.Identifier, "port": p.Port, "serviceName": p.ServiceName})
	}
	return out
}

func (v Values) env() []any {
	out := []any{}
	for _, e := range v.Env {
		out = append(out, object{"identifier": e.Identifier, "value": e.Value})
	}
	return out
}

// envMap holds the parameters too: charts read those of disabled groups without asking.
func (v Values) envMap() object {
	out := object{}
	for _, p := range v.Parameters {
		out[p.Identifier] = object{"identifier": p.Identifier, "value": p.Value}
	}
	for _, e := range v.Env {
		out[e.Identifier] = object{"identifier": e.Identifier, "value": e.Value}
	}
	return out
}

func (v Values) parameters() []any {
	out := []any{}
	for _, p := range v.Parameters {
		out = append(out, object{"identifier": p.Identifier, "value": p.Value})
	}
	return out
}

func (v Values) parameterMap() object {
	out := object{}
	for _, p := range v.Parameters {
		out[p.Identifier] = p.Value
	}
	return out
}

func (v Values) groups() object {
	out := object{}
	for k, on := range v.GroupsEnabled {
		out[k] = on
	}
	return out
}

// storage has the key "code" in development only: charts ask for the key, not for its value.
func (v Values) storage(in Input) object {
	out := object{}
	for id, path := range v.Storage {
		out[id] = object{"hostPath": path}
	}
	delete(out, berth.CodeVolume)
	if code := in.codePath(); code != "" {
		out[berth.CodeVolume] = object{"hostPath": code}
	}
	return out
}

// codePath is the working tree's directory; there is none in build stages.
func (in Input) codePath() string {
	if in.Kind != berth.KindDevelopment {
		return ""
	}
	if in.Code != "" {
		return in.Code
	}
	return in.Values.Storage[berth.CodeVolume]
}

func (c Commands) tree() object {
	out := object{}
	if c.DevelopmentStart != "" {
		out["developmentStart"] = c.DevelopmentStart
	}
	if c.ProductionStart != "" {
		out["productionStart"] = c.ProductionStart
	}
	return out
}
