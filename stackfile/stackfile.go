// Package stackfile reads the files that describe a stack: a project's diploi.yaml (v1.0) and
// the diploi.yaml of a package. It turns bytes into values and into findings that point at file,
// line, column and field, all of them at once.
//
// It is pure: it must not know where files come from, which packages exist, how parameters
// resolve or what runs in the end.
package stackfile

import "github.com/berth-dev/berth"

const (
	// MaxBytes is the largest file that is read. Real ones have a few kilobytes.
	MaxBytes = 1 << 20

	formatVersion = "v1.0"
	maxFindings   = 20
	maxTokens     = 100_000
	maxNesting    = 64
	// maxVisits bounds the work that aliases can make out of a small file.
	maxVisits = 200_000
)

// Position is a place in a file; lines and columns count from 1.
type Position struct {
	Line   int
	Column int
}

// Include is one item of env.include that imports: a pattern ("postgres.*"), a name
// ("postgres.POSTGRES_USER") or a renamed name.
type Include struct {
	Path string // "element.NAME", with * standing for any text; of a package's dependency only "NAME"
	As   string // the name it gets; empty: its own
	Pos  Position
}

// Static is a value that the file itself gives.
type Static struct {
	Name  string
	Value string // may hold expressions
	Pos   Position
}

// Commands replace an image's own command; empty ones do not.
type Commands struct {
	DevelopmentStart string
	ProductionStart  string
}

// Storage is a volume that a package or a project asks for.
type Storage struct {
	Identifier string
	Path       string // where it is mounted; set by a project's berth.storage only
	SizeMiB    int64  // zero: not said
	Stages     []string
	UID        int // owner at creation; -1: leave it to the image
	GID        int
	Pos        Position
}

// In reports whether the stage of that name has the volume.
func (s Storage) In(stage string) bool {
	for _, one := range s.Stages {
		if one == stage {
			return true
		}
	}
	return len(s.Stages) == 0
}

// Environment is what an element (or the workspace) takes from others and sets itself.
type Environment struct {
	Includes []Include
	Statics  []Static
}

// Element is one component or add-on as the project file wrote it, defaults filled in.
type Element struct {
	Kind          berth.ElementKind
	Name          string
	Identifier    string
	Package       PackageRef
	PrebuildImage string
	Folder        string // always with a leading slash; "/" is the repository's root
	Hosts         []Host
	HostsSet      bool // "hosts: []" means an element without HTTP, no key means the package's hosts
	Environment
	ContainerCommands Commands
	Storage           []Storage
	Health            *berth.Health
	Replicas          int      // equal instances in build stages; zero: as many as the package says
	PreDeploy         []string // runs once in each release before its element starts, in build stages
	Private           bool
	Context           string // of builds by the element's own Dockerfile, with a leading slash; "" is the repository's root
	Pos               Position
}

// Project is a parsed project file.
type Project struct {
	Components []Element
	Addons     []Element
	Stages     []berth.Stage // what the file declares, else berth.DefaultStages
	Workspace  Environment   // development.env: what the development container gets
}

// Elements returns components and add-ons in the order of the file, components first.
func (p *Project) Elements() []Element {
	return append(append(make([]Element, 0, len(p.Components)+len(p.Addons)), p.Components...), p.Addons...)
}
