package ui

import (
	"strconv"
	"strings"

	"github.com/berth-dev/berth"
)

// serverShown is what there is to say of the server.
type serverShown struct {
	who     berth.Whoami
	storage *berth.Storage
	cache   *berth.BuildCache
}

// serverPage is the machine as far as Berth knows it. Who has no role on it sees the version.
func serverPage(q *query) (screen, error) {
	var shown serverShown
	var err error
	if shown.who, err = q.service.Whoami(q.ctx); err != nil {
		return screen{}, err
	}
	if q.caller.Role.Includes(berth.RoleViewer) {
		storage, err := q.service.Storage(q.ctx)
		if err == nil {
			shown.storage = &storage
		} else if code := berth.CodeOf(err); code != berth.EUnsupported && code != berth.EUnavailable {
			return screen{}, err
		}
		cache, err := q.service.BuildCache(q.ctx)
		if err == nil {
			shown.cache = &cache
		} else if code := berth.CodeOf(err); code != berth.EUnsupported && code != berth.EUnavailable {
			return screen{}, err
		}
	}
	return screen{title: "Server", place: place{role: q.caller.Role}, cli: "berth doctor", still: server(shown)}, nil
}

// packagesPage is the built-in catalogue.
func packagesPage(q *query) (screen, error) {
	list, err := q.service.Packages(q.ctx)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Packages", place: place{role: q.caller.Role}, cli: "berth package ls", still: packages(list)}, nil
}

// packagePage is what one of them says of itself.
func packagePage(q *query) (screen, error) {
	one, err := q.service.Package(q.ctx, q.path("name"))
	if err != nil {
		return screen{}, err
	}
	return screen{title: one.Title, place: place{role: q.caller.Role, tab: "/packages"}, cli: "berth package show " + one.Name, still: onePackage(one)}, nil
}

// percent is a part of a whole, for people.
func percent(part, whole int64) string { return strconv.Itoa(shareOf(part, whole)) + " %" }

func storageUsed(s berth.Storage) int64 { return s.TotalBytes - s.FreeBytes }

// readme is a package's own text without its title, which the page has already.
func readme(one berth.PackageInfo) string {
	text := strings.TrimSpace(one.Readme)
	if rest, found := strings.CutPrefix(text, "# "); found {
		_, text, _ = strings.Cut(rest, "\n")
	}
	return text
}
