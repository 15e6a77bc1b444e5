package deployments

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/berth-dev/berth/diagnosis"
)

const (
	linesRead  = 200 // to look for the reason in
	linesShown = 10
	longestRow = 300 // bytes
)

// lastLines is what the instance by which a release failed wrote last, and what that tells of the reason, as further
// lines of the release's message. A release fails without them, too.
func (l *Loop) lastLines(ctx context.Context, s snapshot, v verdict) string {
	if v.culprit == "" {
		return ""
	}
	lines, err := l.LastLines(ctx, s.deployment.ID, v.culprit, linesRead)
	if err != nil {
		l.Log.Warn("read last lines", "deployment", s.deployment.Slug, "error", err)
	}
	var text strings.Builder
	if why := diagnosis.Unreachable("It", strings.Join(lines, "\n")); why != "" {
		text.WriteString("\n" + why)
	}
	for _, line := range lines[max(0, len(lines)-linesShown):] {
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
