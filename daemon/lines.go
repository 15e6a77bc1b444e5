package daemon

import (
	"context"

	"github.com/berth-dev/berth"
)

// lastLines returns the newest n lines that an instance wrote.
func (d *Daemon) lastLines(ctx context.Context, deployment berth.ID, instance string, n int) (lines []string, err error) {
	for line, err := range d.logs.Read(ctx, deployment, berth.LogQuery{Instance: instance, Tail: n}) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, line.Text)
	}
	return lines, nil
}
