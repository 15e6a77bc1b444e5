package logs

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// split is where Docker cuts a line that is longer: a record of this size without a line's end
	// goes on in the next one of its stream. A shorter one is all that the container wrote.
	split = 16 << 10
	// maxLine is how long a joined line may get before it is passed on in pieces.
	maxLine = 1 << 20
)

// record is one line of a json-file.
type record struct {
	Log    string    `json:"log"` // decoding replaces invalid UTF-8
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// parse reads a record; ok is false for what a crash or a full disk left of one.
func parse(line []byte) (r record, ok bool) {
	err := json.Unmarshal(line, &r)
	return r, err == nil && r.Stream != ""
}

// joiner puts the pieces of long lines together, each stream's by itself.
type joiner struct {
	begun map[string]*piece
}

type piece struct {
	time time.Time // of the first
	text strings.Builder
}

// add returns the line that r ends, if it ends one.
func (j *joiner) add(r record, line berth.LogLine) (berth.LogLine, bool) {
	text, ended := strings.CutSuffix(r.Log, "\n")
	p := j.begun[r.Stream]
	if p == nil {
		p = &piece{time: r.Time}
	}
	p.text.WriteString(text)
	if !ended && len(r.Log) >= split && p.text.Len() < maxLine {
		if j.begun == nil {
			j.begun = map[string]*piece{}
		}
		j.begun[r.Stream] = p
		return berth.LogLine{}, false
	}
	delete(j.begun, r.Stream)
	line.Time, line.Stream, line.Text = p.time, r.Stream, strings.TrimSuffix(p.text.String(), "\r")
	return line, true
}
