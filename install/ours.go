package install

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/reconciler/builds"
)

// ownsPrograms reports whether program, unit and socket are of the server on this data directory: several on a
// machine may share the place where those lie, and the last that was installed has them.
func (o Options) ownsPrograms(installed bool) bool {
	l, standard := o.layout(), Options{Root: o.Root}.withDefaults().Data
	if text, err := os.ReadFile(l.unit()); err == nil {
		return strings.Contains(string(text), unitLine([]string{"--data", l.data})+" ") ||
			cmp.Or(strings.Trim(flagOf(strings.Fields(string(text)), "--data"), `"`), standard) == l.data
	}
	for _, pid := range otherServers(holder(l)) {
		if line := commandOf(pid); len(line) > 0 && line[0] == l.binary() {
			return false
		}
	}
	return installed || l.data == standard
}

var (
	corePattern   = regexp.MustCompile(`^berth/core:[0-9a-f]{12}$`)
	recipePattern = regexp.MustCompile(`^berth/recipe:[a-z0-9.]+-[0-9a-f]{16}$`)
)

// ours picks from everything that an engine holds what a server made. Containers and networks say so
// themselves; of images only names that Berth gives count, since labels are inherited by what others build
// on them. Images of builds go with the data that refers to them, runtime images with the last server.
func ours(all []docker.Thing, server string, data, alone bool) []docker.Thing {
	recipes := map[string]bool{} // ids of images that carry a recipe's mark
	for _, t := range all {
		if t.Kind == docker.KindImage && recipePattern.MatchString(t.Name) {
			recipes[t.ID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t docker.Thing) bool {
		switch {
		case t.Kind != docker.KindImage:
			return t.Server != server
		case strings.HasPrefix(t.Name, builds.TagPrefix):
			return !data || t.Labels[builds.Label] != server
		case corePattern.MatchString(t.Name):
			return !data || !alone
		}
		return !data || !alone || !recipes[t.ID] || !strings.HasPrefix(t.Name, "berth/")
	})
}
