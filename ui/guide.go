package ui

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// guideEntry is one page of the users' guide.
type guideEntry struct{ name, title string }

// firstPages are what a person reads first; the others follow by title.
var firstPages = []string{"first-deployment", "your-repository", "console", "development", "environment", "stages", "push", "releases"}

// guideEntries lists the guide.
func (c *Console) guideEntries() ([]guideEntry, error) {
	files, err := fs.Glob(c.Guide, "*.md")
	if err != nil {
		return nil, err
	}
	var list []guideEntry
	for _, file := range files {
		text, err := fs.ReadFile(c.Guide, file)
		if err != nil {
			return nil, err
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		list = append(list, guideEntry{strings.TrimSuffix(file, ".md"), title})
	}
	rank := func(e guideEntry) int {
		if at := slices.Index(firstPages, e.name); at >= 0 {
			return at
		}
		return len(firstPages)
	}
	slices.SortFunc(list, func(a, b guideEntry) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.title, b.title))
	})
	return list, nil
}

// guidePage is the guide, at one of its pages.
func guidePage(q *query) (screen, error) {
	list, err := q.console.guideEntries()
	if err != nil {
		return screen{}, err
	}
	name := cmp.Or(q.path("page"), list[0].name)
	at := slices.IndexFunc(list, func(e guideEntry) bool { return e.name == name })
	if at < 0 {
		return screen{}, berth.Errorf(berth.ENotFound, "The guide has no page of this name.")
	}
	text, err := fs.ReadFile(q.console.Guide, name+".md")
	if err != nil {
		return screen{}, err
	}
	_, body, _ := strings.Cut(string(text), "\n")
	return screen{title: list[at].title, place: place{role: q.caller.Role, tab: "/guide"}, still: guide(list, list[at], body)}, nil
}

// readingLink is where a link of the guide leads within the console, or nothing.
func readingLink(href string) string {
	page, anchor, _ := strings.Cut(href, "#")
	name, found := strings.CutSuffix(page, ".md")
	if !found || strings.ContainsAny(name, "/.:\\") {
		return ""
	}
	if anchor != "" {
		anchor = "#" + anchor
	}
	return "/guide/" + name + anchor
}

// anchorOf is the name of a heading in addresses.
func anchorOf(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ':
			return '-'
		}
		return -1
	}, text)
}
