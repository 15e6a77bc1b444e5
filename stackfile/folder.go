package stackfile

import (
	"path"
	"regexp"
	"strings"

	"github.com/berth-dev/berth"
)

// Folders end up in shell lines, build arguments and YAML of packages that quote nothing,
// so they may hold only what needs no quoting anywhere.
var folderPattern = regexp.MustCompile(`^[A-Za-z0-9._/@+-]*$`)

const maxFolder = 200

// parseFolder returns a folder of the repository with a leading slash and no other surplus.
func parseFolder(text string) (string, error) {
	folder := path.Clean("/" + text)
	switch {
	case len(text) > maxFolder:
		return "", berth.Errorf(berth.EInvalid, "the folder's path may have at most %d characters", maxFolder)
	case hasSegment(text, ".."):
		return "", berth.Errorf(berth.EInvalid, "%s leaves the repository; name a folder inside it, without ..", shown(text))
	case hasSegment(text, ".git"):
		return "", berth.Errorf(berth.EInvalid, "%s is Git's own folder; name one that holds code", shown(text))
	case !folderPattern.MatchString(text):
		return "", berth.Errorf(berth.EInvalid, "%s may hold letters, digits and . _ - @ + / only; rename the folder", shown(text))
	}
	return folder, nil
}

func hasSegment(text, segment string) bool {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '/' || r == '\\' }) {
		if strings.EqualFold(part, segment) {
			return true
		}
	}
	return false
}
