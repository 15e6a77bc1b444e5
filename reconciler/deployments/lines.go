package deployments

import (
	"context"
	"strings"
	"unicode/utf8"
)

const (
	linesShown = 10
	longestRow = 300 // bytes
)

// lastLines is what the instance by which a release failed wrote last, as further lines of the release's message. A
// release fails without them, too.
func (l *Loop) lastLines(ctx context.Context, s snapshot, v verdict) string {
	if v.culprit == "" {
		return ""
	}
	lines, err := l.LastLines(ctx, s.deployment.ID, v.culprit, linesShown)
	if err != nil {
		l.Log.Warn("read last lines", "deployment", s.deployment.Slug, "error", err)
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString("\n  | " + clipped(line))
	}
	return text.String()
}

func clipped(line string) string {
	line = strings.ToValidUTF8(line, "\uFFFD")
	if len(line) <= longestRow {
		return line
	}
	end := longestRow
	for !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + "…"
}
