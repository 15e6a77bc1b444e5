package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

// jsonFlag adds --json to a reading verb.
func jsonFlag(c *cobra.Command, on *bool) *cobra.Command {
	c.Flags().BoolVar(on, "json", false, "print JSON")
	return c
}

// printJSON prints what scripts read.
func (a *app) printJSON(v any) error {
	encode := json.NewEncoder(a.out)
	encode.SetEscapeHTML(false)
	encode.SetIndent("", "  ")
	return encode.Encode(v)
}

// say prints one line to whoever waits; results go to stdout, so this does not.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// colour is how a cell looks on a terminal.
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	dim    colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// paint is text in a colour, where there are any.
func (a *app) paint(c colour, text string) string {
	if c == plain || text == "" || !a.terminal.out || a.env("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// cell is a text and how it looks.
type cell struct {
	text   string
	colour colour
}

// row makes plain cells.
func row(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, t := range texts {
		cells[i] = cell{text: t}
	}
	return cells
}

// printList prints a list for a script, also an empty one, or for a person as a table.
func printList[T any](a *app, asJSON bool, list []T, header []string, cells func(T) []cell) error {
	if asJSON {
		return a.printJSON(orEmpty(list))
	}
	rows := make([][]cell, len(list))
	for i, item := range list {
		rows[i] = cells(item)
	}
	a.table(a.out, header, rows)
	return nil
}

// table prints aligned columns. Texts come from elsewhere, so they are cleaned.
func (a *app) table(w io.Writer, header []string, rows [][]cell) {
	all := rows
	if header != nil {
		head := make([]cell, len(header))
		for i, h := range header {
			head[i] = cell{h, dim}
		}
		all = append([][]cell{head}, rows...)
	}
	var width []int
	for _, cells := range all {
		for i := range cells {
			cells[i].text = clean(cells[i].text)
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cells[i].text))
		}
	}
	for _, cells := range all {
		var line strings.Builder
		for i, c := range cells {
			line.WriteString(a.paint(c.colour, c.text))
			if i < len(cells)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// clean takes what steers a terminal out of text that a container or another person may have written.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || (!unicode.IsControl(r) && r != utf8.RuneError) {
			return r
		}
		return '·'
	}, text)
}

// oneLine is the first line of a text.
func oneLine(text string) string {
	first, rest, more := strings.Cut(strings.TrimSpace(text), "\n")
	if more && strings.TrimSpace(rest) != "" {
		return first + " …"
	}
	return first
}

// ago says how long ago something was, in one unit.
func (a *app) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return age(a.now().Sub(t))
}

func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func short(commit string) string { return commit[:min(len(commit), 8)] }

func size(bytes int64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, names := float64(bytes)/unit, "KMGTP"
	for value >= unit && len(names) > 1 {
		value, names = value/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %ciB", value, names[0])
}

var phaseColours = map[berth.Phase]colour{
	berth.PhasePending: yellow, berth.PhaseStarting: yellow, berth.PhaseRunning: green, berth.PhaseDegraded: yellow,
	berth.PhaseFailed: red, berth.PhaseStopped: dim, berth.PhaseSleeping: dim, berth.PhaseDeleting: dim,
}

func phaseCell(p berth.Phase) cell { return cell{string(p), phaseColours[p]} }

var statusColours = map[berth.Colour]colour{berth.Green: green, berth.Yellow: yellow, berth.Red: red, berth.Grey: dim}
