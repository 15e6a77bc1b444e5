// Package packages is the built-in catalogue: one folder per package, in the public package
// format, like anybody's. Nothing in Berth knows these packages by name. It must import only
// the standard library.
package packages

import (
	"embed"
	"io/fs"
)

//go:embed all:dockerfile all:go all:image all:mariadb all:nextjs all:nodejs all:postgres all:python all:react-vite all:s3 all:static all:valkey
var files embed.FS

// FS returns the catalogue: one folder per package.
func FS() fs.FS { return files }
