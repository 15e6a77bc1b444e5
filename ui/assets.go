package ui

import (
	"cmp"
	"compress/gzip"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// dist is what scripts/assets.sh makes of web. A binary that was built without it has no console.
//
//go:embed all:dist
var dist embed.FS

// assets are scripts, styles and fonts: named by their content, compressed as they lie in the binary, and never held in memory.
type assets struct {
	files fs.FS
	names map[string]string // by the name before the hash
}

// openAssets reads which files there are; none is no error.
func openAssets() (assets, error) {
	a := assets{names: map[string]string{}}
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return a, err
	}
	a.files = files
	manifest, err := fs.ReadFile(files, "manifest.json")
	if err != nil {
		return a, nil
	}
	return a, json.Unmarshal(manifest, &a.names)
}

// there reports whether the binary was built with them.
func (a assets) there() bool { return len(a.names) > 0 }

// url is where a file is found; its content never changes.
func (a assets) url(name string) string { return "/assets/" + cmp.Or(a.names[name], name) }

// ServeHTTP sends a file as it is stored, or unpacks it for the few clients that take no gzip.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	stored, encoding := name+".gz", "gzip"
	if path.Ext(name) == ".woff2" { // compressed by itself
		stored, encoding = name, ""
	}
	file, err := a.files.Open(stored)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }()
	var content io.Reader = file
	if encoding != "" && !strings.Contains(r.Header.Get("Accept-Encoding"), encoding) {
		encoding = ""
		if content, err = gzip.NewReader(file); err != nil {
			http.Error(w, "This file cannot be read.", http.StatusInternalServerError)
			return
		}
	}
	header := w.Header()
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	header.Set("Vary", "Accept-Encoding")
	header.Set("Content-Type", cmp.Or(mime.TypeByExtension(path.Ext(name)), "font/woff2"))
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = io.Copy(w, content) // nobody is left to hear of an error
}
