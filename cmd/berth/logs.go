package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) logsCommand() *cobra.Command {
	var q berth.LogQuery
	var since string
	var asJSON, stamps, requests bool
	c := jsonFlag(leaf("logs DEPLOYMENT [ELEMENT]", "Print what containers wrote, or what hosts were asked", cobra.RangeArgs(1, 2),
		a.does(func(ctx context.Context, s berth.Service, args []string) (err error) {
			q.Element = optional(args, 1)
			if q.Since, err = parseAge(since); err != nil {
				return err
			}
			if requests {
				return a.requests(ctx, s, args[0], q, asJSON)
			}
			show := a.logLine(q.Element == "", stamps)
			if asJSON {
				show = a.jsonLine
			}
			for line, err := range s.Logs(ctx, args[0], q) {
				if err != nil {
					return err
				}
				if err := show(line); err != nil {
					return err
				}
			}
			return nil
		})), &asJSON)
	flags := c.Flags()
	flags.BoolVarP(&q.Follow, "follow", "f", false, "go on")
	flags.StringVar(&since, "since", "", "how far back, like 10m, 2h or 3d")
	flags.IntVarP(&q.Tail, "tail", "n", 0, "only the newest lines")
	flags.BoolVar(&q.Previous, "previous", false, "of the run before the present one")
	flags.BoolVarP(&stamps, "timestamps", "t", false, "with the time of each line")
	flags.BoolVar(&requests, "requests", false, "the requests that hosts were asked, instead of what containers wrote")
	c.MarkFlagsMutuallyExclusive("requests", "previous")
	c.MarkFlagsMutuallyExclusive("requests", "timestamps") // they have theirs
	return a.onDeployment(c)
}

func (a *app) requests(ctx context.Context, s berth.Service, ref string, q berth.LogQuery, asJSON bool) error {
	encode := json.NewEncoder(a.out)
	encode.SetEscapeHTML(false)
	for r, err := range s.Requests(ctx, ref, q) {
		if err == nil && asJSON {
			err = encode.Encode(r)
		} else if err == nil {
			err = a.requestLine(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// requestLine is for people; what a client made up is cleaned.
func (a *app) requestLine(r berth.Request) error {
	shade := green
	switch {
	case r.Status >= 500:
		shade = red
	case r.Status >= 400:
		shade = yellow
	}
	_, err := fmt.Fprintf(a.out, "%s  %s  %s %s%s  %d bytes in %.1f ms to %s by %s\n", a.paint(dim, r.Time.Local().Format("2006-01-02 15:04:05.000")),
		a.paint(shade, strconv.Itoa(r.Status)), clean(r.Method), clean(r.Host), clean(r.Path), r.Bytes, r.DurationMs, clean(r.Client), clean(cmp.Or(r.Instance, "berth")))
	return err
}

// logLine prints lines for people, with the element's name where there may be several.
func (a *app) logLine(named, stamps bool) func(berth.LogLine) error {
	colours := []colour{"36", "35", "34", "32", "33"}
	taken := map[string]colour{}
	return func(l berth.LogLine) error {
		prefix := ""
		if stamps {
			prefix = a.paint(dim, l.Time.UTC().Format("2006-01-02T15:04:05.000Z")) + " "
		}
		if named {
			if _, ok := taken[l.Element]; !ok {
				taken[l.Element] = colours[len(taken)%len(colours)]
			}
			prefix += a.paint(taken[l.Element], fmt.Sprintf("%-10s", l.Element)) + " "
		}
		_, err := fmt.Fprintln(a.out, prefix+l.Text)
		return err
	}
}

func (a *app) jsonLine(l berth.LogLine) error { return json.NewEncoder(a.out).Encode(l) }

// parseAge reads a length of time; besides Go's units it knows days.
func parseAge(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, berth.Errorf(berth.EInvalid, "%q is no length of time: say 10m, 2h or 3d", text)
	}
	return d, nil
}

func (a *app) eventsCommand() *cobra.Command {
	var q berth.EventQuery
	var asJSON bool
	c := jsonFlag(leaf("events [DEPLOYMENT]", "Print what happened, and who did it", cobra.MaximumNArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			q.Deployment = optional(args, 0)
			for e, err := range s.Events(ctx, q) {
				switch {
				case err != nil:
					return err
				case asJSON:
					err = json.NewEncoder(a.out).Encode(e)
				default:
					err = a.eventLine(e)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})), &asJSON)
	flags := c.Flags()
	flags.BoolVarP(&q.Follow, "follow", "f", false, "go on")
	flags.IntVarP(&q.Limit, "limit", "n", 0, "of past events, the newest (default 100)")
	flags.Int64Var(&q.After, "after", 0, "only events after this sequence number")
	return a.onDeployment(c)
}

func (a *app) eventLine(e berth.Event) error {
	who := e.Person
	if who == "" {
		who = "berth"
	}
	_, err := fmt.Fprintf(a.out, "%s  %-22s  %-8s  %s\n", a.paint(dim, e.Time.Local().Format("2006-01-02 15:04:05")), clean(e.Kind), clean(who), clean(oneLine(e.Message)))
	return err
}
