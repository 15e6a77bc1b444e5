package main

import (
	"regexp"
	"strings"

	"github.com/berth-dev/berth"
)

// parseDotenv reads KEY=VALUE lines with #-comments, an optional "export" and quotes around values, which
// may then span lines. Nothing is expanded. Errors name the line, never the value.
func parseDotenv(file, text string) (pairs [][2]string, err error) {
	lines := strings.Split(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		wrong := func(why string) error { return berth.Errorf(berth.EInvalid, "%s:%d: %s", file, i+1, why) }
		line := strings.TrimSpace(lines[i])
		if rest, found := strings.CutPrefix(line, "export"); found && rest != strings.TrimSpace(rest) {
			line = strings.TrimSpace(rest)
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok {
			return nil, wrong("this is not KEY=VALUE")
		}
		name = strings.TrimSpace(name)
		if err := berth.ValidateParameter(name, ""); err != nil {
			return nil, wrong("the part before the = is no name: it is made of letters, digits and underscores and starts with no digit, like LOG_LEVEL")
		}
		_, rest, _ := strings.Cut(lines[i], "=")
		value, more, problem := dotenvValue(rest, lines[i+1:])
		if problem != "" {
			return nil, wrong(problem)
		}
		pairs = append(pairs, [2]string{name, value})
		i += more
	}
	return pairs, nil
}

var dotenvEscapes = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t", `\"`, `"`, `\\`, `\`, `\$`, `$`, "\\`", "`")

// dotenvValue takes quotes off what follows a name: double quotes know escapes, single quotes none; without
// any, " #" begins a comment. more is how many of the following lines belong to the value.
func dotenvValue(rest string, following []string) (value string, more int, problem string) {
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		if strings.HasPrefix(rest, "#") {
			return "", 0, ""
		}
		value, _, _ = strings.Cut(strings.ReplaceAll(rest, "\t#", " #"), " #")
		return strings.TrimSpace(value), 0, ""
	}
	quote, text := rest[0], rest[1:]
	for {
		if end := closing(text, quote); end >= 0 {
			if after := strings.TrimSpace(text[end+1:]); after != "" && after[0] != '#' {
				return "", 0, "something follows the closing quote"
			}
			if quote == '"' {
				return dotenvEscapes.Replace(text[:end]), more, ""
			}
			return text[:end], more, ""
		}
		if more == len(following) {
			return "", 0, "the closing quote of this value is missing"
		}
		text += "\n" + following[more]
		more++
	}
}

// closing finds the quote that ends a value, -1 when there is none.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

var bareValue = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=?-]*$`)

var dotenvQuotes = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`, `"`, `\"`, `\`, `\\`, `$`, `\$`, "`", "\\`")

// formatDotenv writes a line that parseDotenv reads back, and of which a shell runs nothing.
func formatDotenv(name, value string) string {
	if bareValue.MatchString(value) {
		return name + "=" + value
	}
	return name + `="` + dotenvQuotes.Replace(value) + `"`
}
