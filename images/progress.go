package images

import (
	"bytes"
	"io"
	"regexp"
	"sync"
)

// lineWriter lets several writers share one without mixing their lines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// stepFilter passes on which steps a tool takes and how long each took, without what they print.
type stepFilter struct {
	w       io.Writer
	prefix  string
	partial []byte
	shown   map[string]bool // numbers of BuildKit's steps
}

var (
	stepPattern = regexp.MustCompile(`^#(\d+) \[.*\] (?:FROM|RUN|COPY|ADD) `)
	endPattern  = regexp.MustCompile(`^#(\d+) (?:DONE|CACHED|ERROR)`)
	factPattern = regexp.MustCompile(`^using |^I: (?:Retrieving (?:InRelease|Packages)|Installing core|Unpacking the|Configuring (?:required|the)|Base system)`)
)

// stepWidth is how much of a step's name is shown.
const stepWidth = 120

func (f *stepFilter) Write(p []byte) (int, error) {
	f.partial = append(f.partial, p...)
	for {
		line, rest, found := bytes.Cut(f.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		f.partial = rest
		if !f.shows(line) {
			continue
		}
		text := []rune(string(line))
		if len(text) > stepWidth {
			text = append(text[:stepWidth-1], '…')
		}
		if _, err := io.WriteString(f.w, f.prefix+string(text)+"\n"); err != nil {
			return len(p), err
		}
	}
}

func (f *stepFilter) shows(line []byte) bool {
	if m := stepPattern.FindSubmatch(line); m != nil {
		if f.shown == nil {
			f.shown = make(map[string]bool)
		}
		f.shown[string(m[1])] = true
		return true
	}
	if m := endPattern.FindSubmatch(line); m != nil {
		return f.shown[string(m[1])]
	}
	return factPattern.Match(line)
}
