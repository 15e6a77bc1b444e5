package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) packageCommand() *cobra.Command {
	return branch("package", "The built-in catalogue of packages", a.packageLsCommand(), a.packageShowCommand(), a.packageRenderCommand())
}

func (a *app) packageLsCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("ls", "List the packages", cobra.NoArgs, a.does(func(ctx context.Context, s berth.Service, _ []string) error {
		list, err := s.Packages(ctx)
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"PACKAGE", "KIND", "TITLE", ""}, func(p berth.PackageInfo) []cell {
			return row(p.Name, p.Kind, p.Title, oneLine(p.Description))
		})
	})), &asJSON)
}

func (a *app) packageShowCommand() *cobra.Command {
	var asJSON bool
	return jsonFlag(leaf("show PACKAGE", "Show a package with its file", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			p, err := s.Package(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(p)
			}
			for _, part := range []string{fmt.Sprintf("%s (%s): %s", p.Name, p.Kind, p.Description), p.Readme, p.File} {
				if part = strings.TrimSpace(part); part != "" {
					fmt.Fprintln(a.out, clean(part)+"\n")
				}
			}
			return nil
		})), &asJSON)
}
