package main

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) envExportCommand() *cobra.Command {
	var reveal bool
	c := leaf("export DEPLOYMENT ELEMENT", "Print parameters as a .env file; secrets by name only", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			read := s.Environment
			if reveal {
				read = s.RevealEnvironment
			}
			list, err := read(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			for _, p := range list {
				fmt.Fprintln(a.out, exported(p, reveal))
			}
			return nil
		}))
	c.Long = `Print an element's parameters as a .env file, which env set --from reads.

Lines that are comments are not read back: secrets, which have no value here, and what Berth or the package
decides. With --reveal secrets have their values; that is for owners, and an event says that it was done.`
	c.Flags().BoolVar(&reveal, "reveal", false, "with the values of secrets")
	return a.onDeployment(c)
}

// exported is a parameter's line of a .env file.
func exported(p berth.Parameter, revealed bool) string {
	line := formatDotenv(p.Name, p.Value)
	if p.Secret && !revealed || p.ReadOnly || p.Origin == berth.OriginPlatform {
		return "# " + line
	}
	return line
}
