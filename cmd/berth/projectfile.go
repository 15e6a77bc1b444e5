package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

// shownProject is a project as show --json has it.
type shownProject struct {
	berth.Project
	File   berth.ProjectFile  `json:"file"`
	Origin *berth.OriginState `json:"origin,omitempty"` // of a project whose commits come from outside
}

// fileOrigin says where the file that describes a project is.
func fileOrigin(p berth.Project, f berth.ProjectFile) string {
	switch f.Origin {
	case berth.FileCommitted:
		return "diploi.yaml of the repository"
	case berth.FileProposed:
		return "proposed by Berth until a person commits one (berth project file " + p.Name + ")"
	case berth.FileWritten:
		return "given to Berth, until a person commits one (berth project file " + p.Name + ")"
	}
	return "none yet: berth up proposes one"
}

func (a *app) projectFileCommand() *cobra.Command {
	var branch, set string
	var asJSON bool
	c := jsonFlag(leaf("file NAME", "Print the diploi.yaml that counts for a project, or replace the one that Berth keeps", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if set != "" {
				return a.setProjectFile(ctx, s, args[0], set)
			}
			f, err := s.ProjectFile(ctx, args[0], branch)
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.printJSON(f)
			case f.Origin == "":
				return berth.Errorf(berth.ENotFound, "%s has no diploi.yaml yet: berth up proposes one, or commit one", args[0])
			}
			if a.terminal.out {
				f.Text = clean(f.Text)
			}
			fmt.Fprint(a.out, f.Text)
			return nil
		})), &asJSON)
	c.Long = `Print the diploi.yaml that counts for a project: the one of its repository, else the one that Berth keeps in its place,
which berth up proposed or a person gave. A file in the repository always goes before the kept one, commit by commit.
Save what this prints as diploi.yaml at the top of the repository and commit it to have it under your own control.`
	c.Flags().StringVar(&branch, "branch", "", "branch (default: the project's)")
	c.Flags().StringVar(&set, "set", "", "replace the kept file by this one (- is stdin)")
	c.MarkFlagsMutuallyExclusive("set", "branch")
	c.MarkFlagsMutuallyExclusive("set", "json")
	return a.onProject(c)
}

const maxProjectFile = 1 << 20

func (a *app) setProjectFile(ctx context.Context, s berth.Service, project, name string) error {
	text, err := a.readFileOrStdin(name)
	if err != nil {
		return err
	}
	if _, err := s.SetProjectFile(ctx, project, text); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Berth keeps this diploi.yaml for %s. It counts from the next release on: berth deploy DEPLOYMENT, or berth up.\n", project)
	return nil
}

func (a *app) readFileOrStdin(name string) (string, error) {
	in := a.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read project file: %w", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxProjectFile+1))
	if err != nil {
		return "", fmt.Errorf("read project file: %w", err)
	}
	if len(text) > maxProjectFile {
		return "", berth.Errorf(berth.EInvalid, "%s is larger than %d KiB, far more than a project file needs", name, maxProjectFile>>10)
	}
	return string(text), nil
}

var noteColours = map[berth.NoteKind]colour{berth.NoteFound: green, berth.NoteGuessed: yellow, berth.NoteMissing: red}

// printFile prints a project file with its notes: those on a line beside it, the others below.
func (a *app) printFile(w io.Writer, f berth.ProjectFile) {
	lines := strings.Split(strings.TrimRight(f.Text, "\n"), "\n")
	beside := make([]*berth.FileNote, len(lines))
	var below [][]cell
	for i, n := range f.Notes {
		if n.Line > 0 && n.Line <= len(lines) {
			beside[n.Line-1] = &f.Notes[i]
		} else {
			below = append(below, []cell{{"  " + string(n.Kind), noteColours[n.Kind]}, {n.Element, plain}, {noteText(n), plain}})
		}
	}
	const widest = 56
	width := 0
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); beside[i] != nil && n <= widest {
			width = max(width, n)
		}
	}
	for i, line := range lines {
		line = "  " + clean(line)
		if n := beside[i]; n != nil {
			line += strings.Repeat(" ", max(0, width+2-utf8.RuneCountInString(line))) + "  " + a.paint(noteColours[n.Kind], string(n.Kind)+":") + " " + a.paint(dim, clean(noteText(*n)))
		}
		fmt.Fprintln(w, line)
	}
	if len(below) > 0 {
		fmt.Fprintln(w)
		a.table(w, nil, below)
	}
}

func noteText(n berth.FileNote) string {
	if n.Source == "" {
		return n.Text
	}
	return n.Text + " (" + n.Source + ")"
}
