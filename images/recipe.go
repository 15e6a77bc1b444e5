package images

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

const (
	base      = "berth/base:trixie"
	node      = "berth/node:22"
	python    = "berth/python:3.13"
	golang    = "berth/go:1.27"
	nginx     = "berth/nginx:1.26"
	postgres  = "berth/postgres:17"
	mariadb   = "berth/mariadb:11.8"
	valkey    = "berth/valkey:8.1"
	versitygw = "berth/versitygw:1.8"
)

//go:embed recipes
var recipeFiles embed.FS

// recipe is how to make one image: a directory of recipes/ with a Dockerfile.
type recipe struct {
	ref  string
	from string // the recipe it stands on, empty for none
	base bool   // made with debootstrap where Debian's image cannot be pulled
	dir  string
	hash string
}

// recipes lists them, each behind what it stands on.
func recipes() []recipe {
	list := []recipe{
		{ref: base, dir: "base", base: true},
		{ref: node, dir: "node", from: base},
		{ref: python, dir: "python", from: base},
		{ref: golang, dir: "go", from: base},
		{ref: nginx, dir: "nginx", from: base},
		{ref: postgres, dir: "postgres", from: base},
		{ref: mariadb, dir: "mariadb", from: base},
		{ref: valkey, dir: "valkey", from: base},
		{ref: versitygw, dir: "versitygw", from: golang},
		{ref: Tools, dir: "tools", from: base},
	}
	hashes := make(map[string]string, len(list))
	for i := range list {
		r := &list[i]
		r.hash = r.digest(hashes[r.from])
		hashes[r.ref] = r.hash
	}
	return list
}

// files is the recipe's directory.
func (r recipe) files() fs.FS {
	dir, err := fs.Sub(recipeFiles, path.Join("recipes", r.dir))
	if err != nil {
		panic("images: recipe " + r.dir + " is not embedded: " + err.Error())
	}
	return dir
}

// digest covers all that the image is made from, what it stands on included.
func (r recipe) digest(from string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", r.ref, from)
	err := fs.WalkDir(r.files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(r.files(), name)
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		return err
	})
	if err != nil {
		panic("images: recipe " + r.dir + " is not embedded: " + err.Error())
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// mark is the second name of the recipe's image: with it under this name, the image is of this very
// recipe. (A label would be inherited by every image that is built on it.)
func (r recipe) mark() string { return "berth/recipe:" + r.dir + "-" + r.hash }

// build makes the image from the recipe's Dockerfile.
func (i *Images) build(ctx context.Context, r recipe, progress io.Writer) error {
	dockerfile, err := fs.ReadFile(r.files(), "Dockerfile")
	if err != nil {
		return fmt.Errorf("read recipe: %w", err)
	}
	dir, err := os.MkdirTemp(i.dir, "recipe-")
	if err != nil {
		return fmt.Errorf("make build context: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.CopyFS(filepath.Join(dir, "context"), r.files()); err != nil {
		return fmt.Errorf("make build context: %w", err)
	}
	_, err = i.builder.Build(ctx, build.Request{
		ID:         berth.NewID(),
		Element:    r.dir,
		ContextDir: filepath.Join(dir, "context"),
		Dockerfile: dockerfile,
		Name:       "recipe of " + r.ref,
		Args:       map[string]string{"LISTS": i.now().UTC().Format("2006-01-02")},
		Tag:        r.ref,
	}, &stepFilter{w: progress, prefix: r.ref + ": "})
	return err
}
