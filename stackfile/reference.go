package stackfile

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/berth-dev/berth"
)

// PackageKind says where a package lives.
type PackageKind string

const (
	PackageBuiltin PackageKind = "builtin" // in Berth's own catalogue
	PackageLocal   PackageKind = "local"   // in the project's repository
	PackageGit     PackageKind = "git"     // in a Git repository of its own
)

// PackageRef says which package an element is made from.
type PackageRef struct {
	Kind PackageKind
	Name string // of a built-in package
	Path string // of a local one, from the repository's root, with a leading slash
	URL  string // of a Git one, without ref
	Ref  string // branch, tag or commit; empty: the repository's default branch
}

// String returns the reference as project files write it.
func (r PackageRef) String() string {
	switch {
	case r.Kind == PackageBuiltin:
		return r.Name
	case r.Kind == PackageLocal:
		return "." + r.Path
	case r.Ref != "":
		return r.URL + "#" + r.Ref
	}
	return r.URL
}

var refPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+@-]{0,199}$`)

// ParsePackageRef reads "postgres", "./packages/api" or "https://host/owner/repository#ref".
func ParsePackageRef(text string) (PackageRef, error) {
	switch {
	case strings.HasPrefix(text, "./"):
		return localPackage(text)
	case strings.Contains(text, "://"), strings.HasPrefix(text, "git@"):
		return gitPackage(text)
	case berth.ValidateName("package", text) == nil:
		return PackageRef{Kind: PackageBuiltin, Name: text}, nil
	}
	return PackageRef{}, berth.Errorf(berth.EInvalid,
		"%s is not a package; write a name of the built-in catalogue (postgres), a folder of this repository (./packages/api) or a Git URL (https://github.com/owner/repository#v1)", shown(text))
}

func localPackage(text string) (PackageRef, error) {
	folder, err := parseFolder(strings.TrimPrefix(text, "."))
	if err != nil {
		return PackageRef{}, err
	}
	return PackageRef{Kind: PackageLocal, Path: folder}, nil
}

func gitPackage(text string) (PackageRef, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(text, " \t\r\n\\") {
		return PackageRef{}, berth.Errorf(berth.EInvalid, "%s is not a Git URL that Berth reads; write it as https://host/owner/repository#ref", withoutPassword(text))
	}
	if u.User != nil {
		return PackageRef{}, berth.Errorf(berth.EInvalid, "the package's URL holds a user or password; remove it: this file is public to everybody who sees the repository")
	}
	if strings.Trim(u.Path, "/") == "" || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") || u.RawQuery != "" {
		return PackageRef{}, berth.Errorf(berth.EInvalid, "%s names no repository; write it as https://host/owner/repository#ref", shown(text))
	}
	ref := u.Fragment
	if strings.Contains(text, "#") && (!refPattern.MatchString(ref) || strings.Contains(ref, "..")) {
		return PackageRef{}, berth.Errorf(berth.EInvalid, "%s is not a branch, tag or commit; write one behind the #, like #v1.2", shown(ref))
	}
	u.Fragment, u.RawFragment = "", ""
	return PackageRef{Kind: PackageGit, URL: strings.TrimSuffix(u.String(), "/"), Ref: ref}, nil
}

// withoutPassword quotes a URL that may hold credentials.
func withoutPassword(text string) string {
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			return shown(scheme + "://…@" + rest[at+1:])
		}
	}
	return shown(text)
}
