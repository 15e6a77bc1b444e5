package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) mailCommand() *cobra.Command {
	return branch("mail", "Read what a deployment's containers sent as mail to core.berth, port 2525", a.mailLsCommand(), a.mailShowCommand())
}

func (a *app) mailLsCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("ls DEPLOYMENT", "List an inbox, newest first", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			list, err := s.Mails(ctx, args[0])
			if err != nil {
				return err
			}
			return printList(a, asJSON, list, []string{"MAIL", "AGE", "FROM", "TO", "SUBJECT"}, func(m berth.Mail) []cell {
				return row(string(m.ID), a.ago(m.Time), oneLine(m.From), oneLine(strings.Join(m.To, ", ")), oneLine(m.Subject))
			})
		})), &asJSON))
}

func (a *app) mailShowCommand() *cobra.Command {
	var asJSON bool
	return a.onDeployment(jsonFlag(leaf("show DEPLOYMENT [MAIL]", "Show a message, the newest where none is named", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			id := berth.ID(optional(args, 1))
			if id == "" {
				list, err := s.Mails(ctx, args[0])
				if err != nil {
					return err
				}
				if len(list) == 0 {
					return berth.Errorf(berth.ENotFound, "%s has sent no mail yet; its containers send to core.berth, port 2525", args[0])
				}
				id = list[0].ID
			}
			m, err := s.Mail(ctx, args[0], id)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(m)
			}
			a.printMail(m)
			return nil
		})), &asJSON))
}

func (a *app) printMail(m berth.MailText) {
	for _, h := range m.Headers {
		fmt.Fprintf(a.out, "%s %s\n", a.paint(dim, clean(h.Name)+":"), oneLine(h.Value))
	}
	fmt.Fprintf(a.out, "\n%s\n", clean(strings.TrimRight(m.Text, "\n")))
	for _, part := range m.Parts {
		fmt.Fprintf(a.out, "\n%s", a.paint(dim, "["+oneLine(part)+"]"))
	}
	if len(m.Parts) > 0 {
		fmt.Fprintln(a.out)
	}
}
