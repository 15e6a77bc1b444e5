//go:build linux

package main

import (
	"fmt"

	"github.com/berth-dev/berth/install"
	"github.com/spf13/cobra"
)

var levelColours = map[string]colour{"fine": green, "warning": yellow, "broken": red}

func (a *app) doctorCommand() *cobra.Command {
	var o install.Options
	var asJSON bool
	c := leaf("doctor", "Check this machine, and say how to mend what is wrong (as root)", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		findings, err := install.Doctor(cmd.Context(), o)
		if err != nil {
			return err
		}
		if asJSON {
			err = a.printJSON(map[string]any{"ok": !install.Breaks(findings), "findings": findings})
		} else {
			a.printFindings(findings, true)
		}
		if err == nil && install.Breaks(findings) {
			return &exit{code: exitFailed}
		}
		return err
	})
	c.Long = `Check this machine, and say how to mend what is wrong. Exit 0 when Berth works here, with or without warnings, and 1 when something is broken.
It needs no server; one that runs is asked, too.`
	a.placeFlags(c, &o)
	return jsonFlag(c, &asJSON)
}

// printFindings prints what was found, all of it or what a person may want to mend.
func (a *app) printFindings(findings []install.Finding, all bool) {
	for _, f := range findings {
		level := string(f.Level)
		if level == "fine" && !all {
			continue
		}
		fmt.Fprintf(a.out, "%s  %-12s %s\n", a.paint(levelColours[level], fmt.Sprintf("%-7s", level)), f.Check, clean(f.Message))
		if level != "fine" && f.Mend != "" {
			fmt.Fprintf(a.out, "         %-12s %s\n", "", clean(f.Mend))
		}
	}
}
