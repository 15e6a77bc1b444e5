// Package guide is the users' guide, as the console shows it. It holds nothing but its pages.
//
// It must not know who reads it.
package guide

import "embed"

//go:embed *.md
var pages embed.FS

// Pages are the guide's, in Markdown, by file name.
func Pages() embed.FS { return pages }
