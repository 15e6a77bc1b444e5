package ui

import (
	"regexp"
	"strings"
)

// block is a part of a text in the Markdown that the guide and packages are written in: what is not known of it is a
// paragraph. Nothing in it becomes markup but what is listed here.
type block struct {
	kind  string // heading, code, list, ordered, table or paragraph
	level int    // of a heading
	text  string // of a heading, code or a paragraph
	items []string
	rows  [][]string // of a table, the head first
}

var (
	listItem    = regexp.MustCompile(`^[-*] +(.*)$`)
	orderedItem = regexp.MustCompile(`^[0-9]+\. +(.*)$`)
	tableRule   = regexp.MustCompile(`^\|[ :|-]+\|?$`)
)

// blocks takes a text apart.
func blocks(text string) (list []block) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for len(lines) > 0 {
		line := strings.TrimRight(lines[0], " ")
		switch {
		case line == "":
			lines = lines[1:]
		case strings.HasPrefix(line, "```"):
			var code []string
			for lines = lines[1:]; len(lines) > 0 && !strings.HasPrefix(lines[0], "```"); lines = lines[1:] {
				code = append(code, lines[0])
			}
			if len(lines) > 0 {
				lines = lines[1:]
			}
			list = append(list, block{kind: "code", text: strings.Join(code, "\n")})
		case heading(line) > 0:
			list = append(list, block{kind: "heading", level: heading(line), text: strings.TrimSpace(line[heading(line):])})
			lines = lines[1:]
		case strings.HasPrefix(line, "|"):
			b := block{kind: "table"}
			for ; len(lines) > 0 && strings.HasPrefix(lines[0], "|"); lines = lines[1:] {
				if !tableRule.MatchString(strings.TrimSpace(lines[0])) {
					b.rows = append(b.rows, cells(lines[0]))
				}
			}
			list = append(list, b)
		case listItem.MatchString(line):
			list, lines = items("list", listItem, list, lines)
		case orderedItem.MatchString(line):
			list, lines = items("ordered", orderedItem, list, lines)
		default:
			var words []string
			for ; len(lines) > 0 && plainLine(lines[0]); lines = lines[1:] {
				words = append(words, strings.TrimSpace(lines[0]))
			}
			list = append(list, block{kind: "paragraph", text: strings.Join(words, " ")})
		}
	}
	return list
}

// items takes a list, whose items go on where lines are indented.
func items(kind string, pattern *regexp.Regexp, list []block, lines []string) ([]block, []string) {
	b := block{kind: kind}
	for len(lines) > 0 {
		if m := pattern.FindStringSubmatch(lines[0]); m != nil {
			b.items = append(b.items, m[1])
		} else if strings.HasPrefix(lines[0], "  ") && strings.TrimSpace(lines[0]) != "" {
			b.items[len(b.items)-1] += " " + strings.TrimSpace(lines[0])
		} else {
			break
		}
		lines = lines[1:]
	}
	return append(list, b), lines
}

func heading(line string) int {
	n := len(line) - len(strings.TrimLeft(line, "#"))
	if n == 0 || n > 6 || !strings.HasPrefix(line[n:], " ") {
		return 0
	}
	return n
}

// plainLine reports whether a line goes on with a paragraph. The first one of a paragraph always does.
func plainLine(line string) bool {
	return strings.TrimSpace(line) != "" && heading(line) == 0 && !strings.HasPrefix(line, "```") && !strings.HasPrefix(line, "|") &&
		!listItem.MatchString(line) && !orderedItem.MatchString(line)
}

func cells(line string) (list []string) {
	line = strings.Trim(strings.TrimSpace(line), "|")
	for part := range strings.SplitSeq(strings.ReplaceAll(line, `\|`, "\x00"), "|") {
		list = append(list, strings.TrimSpace(strings.ReplaceAll(part, "\x00", "|")))
	}
	return list
}

// phrase is a part of a line.
type phrase struct {
	kind string // text, code, strong, em or link
	text string
	href string
}

var phrasePattern = regexp.MustCompile("`([^`]+)`" + `|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)\s]+)\)`)

// phrases takes a line apart.
func phrases(line string) (list []phrase) {
	at := 0
	for _, m := range phrasePattern.FindAllStringSubmatchIndex(line, -1) {
		if m[0] > at {
			list = append(list, phrase{kind: "text", text: line[at:m[0]]})
		}
		at = m[1]
		switch {
		case m[2] >= 0:
			list = append(list, phrase{kind: "code", text: line[m[2]:m[3]]})
		case m[4] >= 0:
			list = append(list, phrase{kind: "strong", text: line[m[4]:m[5]]})
		case m[6] >= 0:
			list = append(list, phrase{kind: "em", text: line[m[6]:m[7]]})
		default:
			list = append(list, phrase{kind: "link", text: line[m[8]:m[9]], href: line[m[10]:m[11]]})
		}
	}
	if at < len(line) {
		list = append(list, phrase{kind: "text", text: line[at:]})
	}
	return list
}
