package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// serverStatus says how the server is; on one that nobody has logged in to, the last line is a link that does.
func (a *app) serverStatus(ctx context.Context, s berth.Service, asJSON bool) error {
	who, err := s.Whoami(ctx)
	if err != nil {
		return err
	}
	list, err := s.Deployments(ctx, "")
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(struct {
			berth.Whoami
			Deployments map[berth.Phase]int `json:"deployments"`
		}{who, countPhases(list)})
	}
	fmt.Fprintf(a.out, "Berth %s at %s: %s\n", who.Version, who.ConsoleURL, phasesOf(list))
	if who.Claimed {
		return nil
	}
	link, err := s.CreateLoginLink(ctx, "")
	if err != nil {
		return err
	}
	a.printLink(link, "Nobody has logged in yet.")
	return nil
}

func countPhases(list []berth.Deployment) map[berth.Phase]int {
	count := map[berth.Phase]int{}
	for _, d := range list {
		count[d.Phase]++
	}
	return count
}

// phasesOf counts deployments in the order in which they are listed.
func phasesOf(list []berth.Deployment) string {
	if len(list) == 0 {
		return "no deployments yet"
	}
	count := countPhases(list)
	var parts []string
	for _, d := range list {
		if n := count[d.Phase]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, d.Phase))
			delete(count, d.Phase)
		}
	}
	return "deployments: " + strings.Join(parts, ", ")
}

// printLink ends with the link, so that it is found at once and copied whole.
func (a *app) printLink(link berth.LoginLink, why string) {
	opens := a.opens(link.URL.Reveal())
	if link.Install != "" {
		a.say("To get the berth command elsewhere:\n  %s", link.Install)
	}
	a.say("%s", strings.TrimSpace(fmt.Sprintf("%s This logs %s in once, within %s: berth login 'LINK'", why, link.Person, span(link.ExpiresAt.Sub(a.now())))))
	fmt.Fprintln(a.out, opens)
}

// span says how long something is valid that was made just now.
func span(d time.Duration) string {
	if d = d.Round(time.Minute); d < 2*time.Hour {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d hours", d.Round(time.Hour)/time.Hour)
}
