package main

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/spf13/cobra"
)

func (a *app) projectHookCommand() *cobra.Command {
	var rotate, asJSON bool
	c := jsonFlag(leaf("hook NAME", "Show or make the webhook by which a Git host tells that a branch moved", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			h, err := s.Hook(ctx, args[0])
			if err != nil {
				return err
			}
			if h.URL != "" && !rotate {
				return a.printHook(h, asJSON)
			}
			h, secret, err := s.RotateHook(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(apiwire.RotatedHook{Hook: h, Secret: secret.Reveal()})
			}
			if err := a.printHook(h, false); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "secret        %s\n", secret.Reveal())
			fmt.Fprintln(a.out, "Give both to the Git host, with application/json as the content type and pushes as the events. The secret is not shown again.")
			return nil
		})), &asJSON)
	c.Flags().BoolVar(&rotate, "rotate", false, "make a new URL and a new secret; the former ones end")
	return a.onProject(c)
}

func (a *app) printHook(h berth.Hook, asJSON bool) error {
	if asJSON {
		return a.printJSON(h)
	}
	fmt.Fprintf(a.out, "url           %s\n", h.URL)
	if h.Page != "" {
		fmt.Fprintf(a.out, "give it at    %s\n", h.Page)
	}
	heard := "nothing yet"
	if !h.HeardAt.IsZero() {
		heard = a.ago(h.HeardAt) + " ago: " + h.Heard
	}
	fmt.Fprintf(a.out, "last heard    %s\n", heard)
	return nil
}
