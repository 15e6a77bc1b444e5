package images

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
)

const (
	base      = "berth/base:trixie"
	node      = "berth/node:22"
	node18    = "berth/node:18"
	node20    = "berth/node:20"
	node24    = "berth/node:24"
	python    = "berth/python:3.13"
	golang    = "berth/go:1.27"
	golang125 = "berth/go:1.25"
	golang126 = "berth/go:1.26"
	nginx     = "berth/nginx:1.26"
	postgres  = "berth/postgres:17"
	mariadb   = "berth/mariadb:11.8"
	valkey    = "berth/valkey:8.1"
	versitygw = "berth/versitygw:1.8"
	static    = "berth/static:1"
	nonroot   = "berth/static:1-nonroot"
)

//go:embed recipes
var recipeFiles embed.FS

// recipe is how to make one image: a directory of recipes/ with a Dockerfile.
type recipe struct {
	ref  string
	from string // the recipe it stands on, empty for none
	base bool   // made with debootstrap where Debian's image cannot be pulled
	dir  string
	args map[string]string // build arguments, where one directory makes several images
	hash string
}

// recipes lists them, each behind what it stands on.
func recipes() []recipe {
	list := []recipe{
		{ref: base, dir: "base", base: true},
		nodeRecipe(node, "22.23.3", "10.9.9"),
		nodeRecipe(node18, "18.20.8", "10.9.9"),
		nodeRecipe(node20, "20.20.2", "10.9.9"),
		nodeRecipe(node24, "24.21.0", "11.21.2"),
		{ref: python, dir: "python", from: base},
		goRecipe(golang, "1.27.4"),
		goRecipe(golang125, "1.25.14"),
		goRecipe(golang126, "1.26.11"),
		{ref: nginx, dir: "nginx", from: base},
		{ref: postgres, dir: "postgres", from: base},
		{ref: mariadb, dir: "mariadb", from: base},
		{ref: valkey, dir: "valkey", from: base},
		{ref: versitygw, dir: "versitygw", from: golang},
		{ref: static, dir: "static", from: base, args: map[string]string{"USER": "0"}},
		{ref: nonroot, dir: "static", from: base, args: map[string]string{"USER": "65532"}},
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

func nodeRecipe(ref, version, npm string) recipe {
	return recipe{ref: ref, dir: "node", from: base, args: map[string]string{"VERSION": version, "NPM": npm}}
}

func goRecipe(ref, version string) recipe {
	return recipe{ref: ref, dir: "go", from: base, args: map[string]string{"VERSION": version}}
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
	fmt.Fprintf(sum, "%s\n%s\n%v\n", r.ref, from, r.args) // a map is printed in the order of its keys
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
	args := maps.Clone(r.args)
	if args == nil {
		args = map[string]string{}
	}
	args["LISTS"] = i.now().UTC().Format("2006-01-02")
	_, err = i.builder.Build(ctx, build.Request{
		ID:         berth.NewID(),
		Element:    r.dir,
		ContextDir: filepath.Join(dir, "context"),
		Dockerfile: dockerfile,
		Name:       "recipe of " + r.ref,
		Args:       args,
		Tag:        r.ref,
	}, &stepFilter{w: progress, prefix: r.ref + ": "})
	return err
}
