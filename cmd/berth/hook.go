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

// shownDeployHook is what --json prints of a deploy hook: its URL only when it was just made.
type shownDeployHook struct {
	berth.DeployHook
	URL string `json:"url,omitempty"`
}

func (a *app) hookCommand() *cobra.Command {
	var rotate, rm, asJSON bool
	c := jsonFlag(leaf("hook DEPLOYMENT", "Show or make the URL by which a CI has a deployment deployed", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			if rm {
				return a.endDeployHook(ctx, s, args[0], asJSON)
			}
			h, err := s.DeployHook(ctx, args[0])
			if err != nil {
				return err
			}
			shown := shownDeployHook{DeployHook: h}
			if h.CreatedAt.IsZero() || rotate {
				made, url, err := s.RotateDeployHook(ctx, args[0])
				if err != nil {
					return err
				}
				shown = shownDeployHook{made, url.Reveal()}
			}
			if asJSON {
				return a.printJSON(shown)
			}
			a.printDeployHook(shown)
			return nil
		})), &asJSON)
	c.Flags().BoolVar(&rotate, "rotate", false, "make a new URL; the former one ends")
	c.Flags().BoolVar(&rm, "rm", false, "end the URL")
	c.MarkFlagsMutuallyExclusive("rotate", "rm")
	return a.onDeployment(c)
}

func (a *app) endDeployHook(ctx context.Context, s berth.Service, ref string, asJSON bool) error {
	if err := s.DeleteDeployHook(ctx, ref); err != nil {
		return err
	}
	if asJSON {
		h, err := s.DeployHook(ctx, ref)
		if err != nil {
			return err
		}
		return a.printJSON(shownDeployHook{DeployHook: h})
	}
	fmt.Fprintf(a.out, "No URL deploys %s any more.\n", ref)
	return nil
}

func (a *app) printDeployHook(h shownDeployHook) {
	if h.URL != "" {
		fmt.Fprintln(a.out, h.URL)
		a.say("A POST to it deploys the newest commit of the branch that %s follows. It is not shown again: give it to the CI as a secret.", h.Deployment)
		return
	}
	used := "not yet"
	if !h.UsedAt.IsZero() {
		used = fmt.Sprintf("%s ago: release %d", a.ago(h.UsedAt), h.Revision)
	}
	fmt.Fprintf(a.out, "made          %s ago\nlast used     %s\n", a.ago(h.CreatedAt), used)
	a.say("The URL itself is not kept: berth hook %s --rotate makes a new one.", h.Deployment)
}
