package release

import (
	"bytes"
	"path"
	"strings"
)

// ignoreFor joins the root's .dockerignore with an element's own, whose patterns are relative to the
// element's folder and are rewritten to the root, the build context.
func ignoreFor(root, own []byte, folder string) []byte {
	prefix := strings.Trim(folder, "/")
	if prefix == "" || len(own) == 0 {
		return root
	}
	var out bytes.Buffer
	out.Write(root)
	if len(root) > 0 && root[len(root)-1] != '\n' {
		out.WriteByte('\n')
	}
	for line := range strings.Lines(string(own)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		except := ""
		if strings.HasPrefix(line, "!") {
			except, line = "!", strings.TrimSpace(line[1:])
		}
		out.WriteString(except + path.Join(prefix, path.Clean("/"+line)) + "\n")
	}
	return out.Bytes()
}
