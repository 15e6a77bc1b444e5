package images

import (
	"slices"
	"strings"
)

// Substitution is one line of the table: where no registry answers for Reference, Image stands in.
type Substitution struct {
	Reference string
	Image     string
	Why       string // in what it is the same, and in what not
}

// Table lists every substitution there is, for operators. What is not in it is never replaced: tags
// that move to another version (node:lts, debian:stable), exact versions other than the recipe's, digests,
// and images on another libc (node:22-alpine).
func Table() []Substitution {
	var table []Substitution
	add := func(image, why string, refs ...string) {
		for _, ref := range refs {
			table = append(table, Substitution{Reference: ref, Image: image, Why: why})
		}
	}
	add(base, "Debian 13 without documentation, from Debian's own packages",
		"debian:trixie-slim", "debian:trixie", "debian:13-slim", "debian:13")
	add(node, "Node.js 22 on Debian 13, with npm, corepack and yarn",
		"node:22-slim", "node:22-trixie-slim", "node:22-trixie", "node:jod-slim", "node:jod-trixie-slim", "node:22.23.3-slim", "node:22.23-slim")
	add(node, "Node.js 22 on Debian 13; the official image also has compilers, Python and git",
		"node:22", "node:jod", "node:lts-jod", "node:22.23", "node:22.23.3")
	add(node, "Node.js 22, on Debian 13 in place of Debian 12",
		"node:22-bookworm-slim", "node:22-bookworm", "node:jod-bookworm-slim", "node:jod-bookworm")
	for _, of := range []struct{ image, exact string }{{node18, "18.20.8"}, {node20, "20.20.2"}, {node24, "24.21.0"}} {
		major, _, _ := strings.Cut(of.exact, ".")
		minor := of.exact[:strings.LastIndexByte(of.exact, '.')]
		add(of.image, "Node.js "+major+" on Debian 13 in place of Debian 12, with npm, corepack and yarn",
			"node:"+major+"-slim", "node:"+major+"-bookworm-slim", "node:"+minor+"-slim", "node:"+of.exact+"-slim")
		add(of.image, "Node.js "+major+" on Debian 13 in place of Debian 12; the official image also has compilers, Python and git",
			"node:"+major, "node:"+major+"-bookworm", "node:"+minor, "node:"+of.exact)
	}
	add(python, "Python 3.13 of Debian 13 with pip and venv",
		"python:3.13-slim", "python:3.13-slim-trixie", "python:3.13.5-slim", "python:3.13.5-slim-trixie")
	add(python, "Python 3.13 of Debian 13 with pip and venv; the official image also has compilers and git",
		"python:3.13", "python:3.13-trixie", "python:3.13.5", "python:3.13.5-trixie")
	add(python, "Python 3.13, on Debian 13 in place of Debian 12",
		"python:3.13-slim-bookworm", "python:3.13-bookworm")
	add(golang, "Go 1.27 on Debian 13 with git and make; the official image also has a C compiler, so cgo is off here",
		"golang:1.27", "golang:1.27-trixie", "golang:1.27.4", "golang:1.27.4-trixie")
	add(golang, "Go 1.27 with git and make, on Debian 13 in place of Debian 12; the official image also has a C compiler, so cgo is off here",
		"golang:1.27-bookworm", "golang:1.27.4-bookworm")
	for _, of := range []struct{ image, exact string }{{golang125, "1.25.14"}, {golang126, "1.26.11"}} {
		minor := of.exact[:strings.LastIndexByte(of.exact, '.')]
		add(of.image, "Go "+minor+" on Debian 13 with git and make; the official image also has a C compiler, so cgo is off here",
			"golang:"+minor, "golang:"+minor+"-trixie", "golang:"+of.exact, "golang:"+of.exact+"-trixie", "golang:"+minor+"-bookworm", "golang:"+of.exact+"-bookworm")
	}
	for _, name := range []string{"gcr.io/distroless/static", "gcr.io/distroless/static-debian12", "gcr.io/distroless/static-debian13"} {
		add(static, "the same few files, of Debian 13: authorities, time zones and the users root and nonroot", name+":latest")
		add(nonroot, "the same few files, of Debian 13, as the user nonroot", name+":nonroot")
	}
	add(nginx, "nginx 1.26 of Debian 13 in place of Debian 12, with the official image's places and templates",
		"nginx:1.26", "nginx:1.26-bookworm", "nginx:1.26.3", "nginx:1.26.3-bookworm")
	add(postgres, "PostgreSQL 17 of Debian 13 with the official image's variables and hooks, without just-in-time compilation",
		"postgres:17", "postgres:17-trixie")
	add(postgres, "PostgreSQL 17 of Debian 13 in place of Debian 12: sorted text may need REINDEX if the data comes from there",
		"postgres:17-bookworm")
	add(mariadb, "MariaDB 11.8 of Debian 13 in place of Ubuntu 24.04, with the official image's variables and hooks, without mariadb-dump",
		"mariadb:11.8", "mariadb:11.8-noble")
	add(valkey, "Valkey 8.1 of Debian 13 with the official image's manners",
		"valkey/valkey:8.1", "valkey/valkey:8.1-trixie")
	add(valkey, "Valkey 8.1, on Debian 13 in place of Debian 12",
		"valkey/valkey:8.1-bookworm")
	add(versitygw, "the same static program of the same version, on Debian in place of Alpine",
		"versity/versitygw:v1.8.0")
	return table
}

func substitution(name string) (Substitution, bool) {
	table := Table()
	at := slices.IndexFunc(table, func(s Substitution) bool { return s.Reference == name })
	if at < 0 {
		return Substitution{}, false
	}
	return table[at], true
}
