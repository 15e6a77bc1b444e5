package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) projectCommand() *cobra.Command {
	return branch("project", "Projects and their sources",
		a.projectCreateCommand(), a.projectConnectCommand(), a.projectUpdateCommand(), a.projectLsCommand(), a.projectShowCommand(), a.projectFileCommand(), a.projectRenameCommand(), a.projectProtectCommand(), a.projectHookCommand(), a.projectRmCommand())
}

func (a *app) projectCreateCommand() *cobra.Command {
	var url, dir, token string
	var asJSON bool
	var access accessWait
	c := jsonFlag(leaf("create NAME", "Create a project from a Git URL or a local directory", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) (err error) {
			n := berth.NewProject{Name: args[0], GitURL: url}
			if n.GitToken, err = a.tokenFrom(token); err != nil {
				return err
			}
			p, err := a.createProject(ctx, s, n, dir)
			if err != nil {
				return err
			}
			if p, err = a.awaitAccess(ctx, s, p, access); err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(p)
			}
			fmt.Fprintf(a.out, "Created project %s.\n", p.Name)
			if p.Access.Waiting == "" {
				a.say("berth create %s --name NAME --stage development makes a deployment of it.", p.Name)
			}
			return nil
		})), &asJSON)
	flags := c.Flags()
	flags.StringVar(&url, "git", "", "URL of a Git repository, https://… or git@host:owner/name")
	flags.StringVar(&token, "token", "", "- reads from stdin a token that opens the repository over HTTPS")
	flags.StringVar(&dir, "dir", "", "local directory: a Git repository, or any directory")
	access.flags(c)
	c.MarkFlagsMutuallyExclusive("git", "dir")
	return c
}

// createProject leaves nothing behind when the directory's commits do not arrive.
func (a *app) createProject(ctx context.Context, s berth.Service, n berth.NewProject, dir string) (berth.Project, error) {
	if dir == "" {
		return s.CreateProject(ctx, n)
	}
	return a.withBundle(ctx, dir, func(bundle io.Reader) (berth.Project, error) {
		if _, err := s.CreateProject(ctx, n); err != nil {
			return berth.Project{}, err
		}
		p, err := s.ImportRepository(ctx, n.Name, bundle)
		if err != nil {
			return berth.Project{}, errors.Join(err, s.DeleteProject(context.WithoutCancel(ctx), n.Name))
		}
		return p, nil
	})
}

func (a *app) projectUpdateCommand() *cobra.Command {
	var dir string
	c := leaf("update NAME --dir DIR", "Bring the new commits of a local directory into a project", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			p, err := a.withBundle(ctx, dir, func(bundle io.Reader) (berth.Project, error) {
				return s.ImportRepository(ctx, args[0], bundle)
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Updated project %s: what follows its branch is deployed.\n", p.Name)
			return nil
		}))
	c.Flags().StringVar(&dir, "dir", "", "local directory: a Git repository, or any directory")
	_ = c.MarkFlagRequired("dir") // it exists
	return a.onProject(c)
}

// withBundle hands the commits of a directory to fn.
func (a *app) withBundle(ctx context.Context, dir string, fn func(io.Reader) (berth.Project, error)) (p berth.Project, err error) {
	work, err := os.MkdirTemp("", "berth-bundle-")
	if err != nil {
		return p, fmt.Errorf("make temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	file, warnings, err := makeBundle(ctx, dir, work)
	if err != nil {
		return p, err
	}
	for _, w := range warnings {
		a.say("%s %s", a.paint(yellow, "Note:"), w)
	}
	bundle, err := os.Open(file)
	if err != nil {
		return p, fmt.Errorf("open bundle: %w", err)
	}
	defer func() { err = errors.Join(err, bundle.Close()) }()
	// The HTTP transport closes a body that can be closed; the file is ours to close.
	return fn(struct{ io.Reader }{bundle})
}

func (a *app) projectLsCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("ls", "List projects", cobra.NoArgs, a.does(func(ctx context.Context, s berth.Service, _ []string) error {
		list, err := s.Projects(ctx)
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"PROJECT", "BRANCH", "AGE", "SOURCE"}, func(p berth.Project) []cell {
			return row(p.Name, p.DefaultBranch, a.ago(p.CreatedAt), source(p))
		})
	})), &asJSON)
}

func source(p berth.Project) string {
	if p.GitURL != "" {
		return p.GitURL
	}
	return "Berth's own repository"
}

func (a *app) projectShowCommand() *cobra.Command {
	var asJSON bool
	return a.onProject(jsonFlag(leaf("show NAME", "Show a project", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			p, err := s.Project(ctx, args[0])
			if err != nil {
				return err
			}
			file, err := s.ProjectFile(ctx, p.Name, "")
			if err != nil && berth.CodeOf(err) != berth.EInvalid { // a project without commits has no file to show
				return err
			}
			shown := shownProject{Project: p, File: file}
			if p.GitURL != "" {
				o, err := s.OriginState(ctx, p.Name)
				if err != nil {
					return err
				}
				shown.Origin = &o
			}
			if asJSON {
				return a.printJSON(shown)
			}
			rows := [][]cell{row("project", p.Name), row("source", source(p)), row("branch", p.DefaultBranch), row("created", a.ago(p.CreatedAt)+" ago")}
			if len(p.Protected) > 0 {
				rows = append(rows, row("protected", strings.Join(p.Protected, ", ")))
			}
			rows = append(rows, row("file", fileOrigin(p, file)))
			for i, stage := range p.Stages {
				title := ""
				if i == 0 {
					title = "stages"
				}
				rows = append(rows, row(title, describeStage(stage)))
			}
			a.table(a.out, nil, slices.Concat(rows, accessRows(p), a.originRows(shown.Origin)))
			if file.Origin == berth.FileProposed || file.Origin == berth.FileWritten {
				fmt.Fprintln(a.out)
				a.printFile(a.out, file)
			}
			return nil
		})), &asJSON))
}

// describeStage says a stage in a line: "live (build) of branch main, size L".
func describeStage(s berth.Stage) string {
	text := fmt.Sprintf("%s (%s)", s.Identifier, s.Kind)
	if s.Branch != "" {
		text += " of branch " + s.Branch
	}
	if s.Size != "" {
		text += ", size " + string(s.Size)
	}
	if s.Name != "" {
		text += ": " + oneLine(s.Name)
	}
	return text
}

func (a *app) projectRenameCommand() *cobra.Command {
	return a.onProject(leaf("rename NAME NEW", "Rename a project; slugs and hosts stay", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			p, err := s.RenameProject(ctx, args[0], args[1])
			if err == nil {
				fmt.Fprintf(a.out, "Project %s is now named %s.\n", args[0], p.Name)
			}
			return err
		})))
}

func (a *app) projectRmCommand() *cobra.Command {
	return a.onProject(leaf("rm NAME", "Delete a project that has no deployments", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			err := s.DeleteProject(ctx, args[0])
			if err == nil {
				fmt.Fprintf(a.out, "Deleted project %s.\n", args[0])
			}
			return err
		})))
}
