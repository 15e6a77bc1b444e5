package berth

import (
	"context"
	"time"
)

// ProjectFileService is about the file that describes a project: the diploi.yaml of its repository or,
// where a commit has none, the one that Berth keeps in its place until a person commits one.
type ProjectFileService interface {
	// ProjectFile returns the file that counts at a branch (empty: the default one). Its text is empty
	// where there is none yet.
	ProjectFile(ctx context.Context, project, branch string) (ProjectFile, error)
	// ProposeProjectFile looks into the newest commit of a branch, fetched first, and keeps what it
	// proposes. A file that the commit has, or that a person gave, is returned as it is. EInvalid where
	// nothing is found that could be run: the message says what was looked for.
	ProposeProjectFile(ctx context.Context, project, branch string) (ProjectFile, error)
	// SetProjectFile replaces the kept file. EInvalid with line and column for one that is wrong,
	// EConflict where the repository has its own.
	SetProjectFile(ctx context.Context, project, text string) (ProjectFile, error)
}

// FileOrigin says where a project's file comes from.
type FileOrigin string

const (
	FileCommitted FileOrigin = "committed" // the repository has it
	FileProposed  FileOrigin = "proposed"  // Berth made it from what it found in the repository
	FileWritten   FileOrigin = "written"   // a person gave it to Berth
)

// ProjectFile is the diploi.yaml that counts for a commit.
type ProjectFile struct {
	Origin    FileOrigin `json:"origin,omitempty"` // empty: there is no file yet
	Branch    string     `json:"branch,omitempty"`
	Commit    string     `json:"commit,omitempty"` // the branch's newest
	Text      string     `json:"text"`
	Notes     []FileNote `json:"notes,omitempty"`    // of a proposal, in the order of the file
	ChangedAt time.Time  `json:"changedAt,omitzero"` // of a kept file
}

// NoteKind says how sure Berth is of what a proposal says.
type NoteKind string

const (
	NoteFound   NoteKind = "found"   // a file of the repository says so
	NoteGuessed NoteKind = "guessed" // likely, and worth a look
	NoteMissing NoteKind = "missing" // a person has to give it
)

// FileNote says why a line of a proposal is there, or what is not there and should be.
type FileNote struct {
	Line    int      `json:"line,omitempty"` // of the text; 0: about the element or the whole
	Kind    NoteKind `json:"kind"`
	Element string   `json:"element,omitempty"`
	Text    string   `json:"text"`
	Source  string   `json:"source,omitempty"` // the file of the repository that shows it
}
