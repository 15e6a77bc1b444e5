// Package diagnosis knows what programs print when something outside of them is missing, and says it in a sentence.
//
// It must not know where the programs run.
package diagnosis

import (
	"cmp"
	"regexp"
	"strings"
)

var unreachablePattern = regexp.MustCompile(`(?i)Could not resolve|Temporary failure (in name resolution|resolving)|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|network is unreachable|connection timed out|no such host|Failed to (fetch|establish a new connection)|error sending request|dns error`)

// Unreachable says what a program could not reach, and what it wanted there, as far as its output tells. Empty: the
// output tells of nothing of the kind. The sentence begins with who.
func Unreachable(who, output string) string {
	if !unreachablePattern.MatchString(output) {
		return ""
	}
	server := cmp.Or(firstOf(output, serverPatterns()), "a server")
	wanted := firstOf(output, dependencyPatterns())
	if wanted != "" {
		wanted = ", which it needs for " + wanted
	}
	return who + " could not reach " + server + wanted + ": check the machine's network, name server and proxy, and try again."
}

// serverPatterns find the name of a server in what tools say of one that they cannot reach.
func serverPatterns() []*regexp.Regexp {
	return patterns(
		`getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)`,                            // Node.js
		`request to https?://([\w.:-]+)\S* failed`,                                 // npm, node-fetch
		`Could not resolve(?: host(?:name)?)?:? ['"]?([\w.-]+)`,                    // curl, git, apt
		`Temporary failure resolving ['"]([\w.-]+)`,                                // apt
		`HTTPS?ConnectionPool\(host='([\w.-]+)'`,                                   // Python's requests
		`(?:dial tcp|lookup)[: ]+(?:lookup )?([\w.-]*[A-Za-z][\w.-]*)(?::\d+)?`,    // Go
		`[Ff]ailed to (?:fetch|download)[^\n]*?https?://([\w.:-]+)`,                // apt, uv, pnpm
		`connect (?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH) ([\d.:a-f]+)`, // Node.js, when the name was found
	)
}

// dependencyPatterns find the dependency that a package manager was busy with when it failed.
func dependencyPatterns() []*regexp.Regexp {
	return patterns(
		`npm (?:error|ERR!) path \S*/node_modules/((?:@[\w.-]+/)?[\w.-]+)`,
		`error \S*/node_modules/((?:@[\w.-]+/)?[\w.-]+): Command failed`,                                    // yarn
		`node_modules/(?:\.pnpm/[^/\s]+/node_modules/)?((?:@[\w.-]+/)?[\w.-]+) (?:install|postinstall)[$:]`, // pnpm
		`No matching distribution found for ([\w.\[\]-]+)`,                                                  // pip
		`Because ([\w.-]+) was not found in the package registry`,                                           // uv
		`go: ([\w./-]+@[\w.+-]+): `,
	)
}

func patterns(texts ...string) (all []*regexp.Regexp) {
	for _, text := range texts {
		all = append(all, regexp.MustCompile(text))
	}
	return all
}

func firstOf(said string, all []*regexp.Regexp) string {
	for _, p := range all {
		if found := p.FindStringSubmatch(said); found != nil {
			return strings.Trim(found[1], ".:")
		}
	}
	return ""
}
