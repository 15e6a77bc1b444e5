package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth"
)

// Import replaces the branches and tags of a project's repository by those of a bundle, and returns
// the branch that the bundle's HEAD stands on. The bundle is unpacked aside; only what passes the
// checks of a fetch comes over, and all refs change together or none.
func (g *Git) Import(ctx context.Context, project berth.ID, bundle io.Reader) (defaultBranch string, err error) {
	err = g.writing(ctx, project, func(ctx context.Context) error {
		if err := g.init(ctx, project); err != nil {
			return err
		}
		return g.drafted(project, func(quarantine string) error {
			defaultBranch, err = g.importThrough(ctx, project, quarantine, bundle)
			return err
		})
	})
	return defaultBranch, err
}

func (g *Git) importThrough(ctx context.Context, project berth.ID, quarantine string, bundle io.Reader) (string, error) {
	file := filepath.Join(filepath.Dir(quarantine), "bundle")
	if err := g.receive(ctx, file, bundle); err != nil {
		return "", err
	}
	list, err := g.output(ctx, 64<<20, command{args: []string{"bundle", "list-heads", file}})
	if err != nil {
		return "", badBundle(err, "this is not a git bundle")
	}
	offered := parseHeads(string(list))
	if len(offered.branches) == 0 {
		return "", berth.Errorf(berth.EInvalid, "the repository has no branch: commit something first")
	}
	if err := g.initAt(ctx, quarantine); err != nil {
		return "", err
	}
	if err := g.fetchFile(ctx, quarantine, file); err != nil {
		return "", badBundle(err, "the bundle is damaged or incomplete; of a shallow clone, run git fetch --unshallow first")
	}
	if err := g.fetchFile(ctx, g.Dir(project), quarantine); err != nil {
		return "", badBundle(err, "the repository has damaged or dangerous objects")
	}
	return offered.defaultBranch(), g.setHead(ctx, project, offered.defaultBranch())
}

func (g *Git) fetchFile(ctx context.Context, into, from string) error {
	return g.run(ctx, command{repository: into, files: true,
		args: append([]string{"fetch", "--quiet", "--atomic", "--prune", "--force", "--no-write-fetch-head", "--", from}, refspecs...)})
}

// receive stores the bundle, up to the limit.
func (g *Git) receive(ctx context.Context, file string, bundle io.Reader) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("store bundle: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, io.LimitReader(untilDone{ctx, bundle}, g.config.MaxBundle+1))
	if err != nil {
		return fmt.Errorf("store bundle: %w", err)
	}
	if n > g.config.MaxBundle {
		return berth.Errorf(berth.EInvalid, "the repository is larger than %d MiB, the most that can be imported: host it elsewhere and give its URL", g.config.MaxBundle>>20)
	}
	return nil
}

// untilDone ends reading with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// badBundle blames the bundle for git's refusal, and only for that.
func badBundle(err error, sentence string) error {
	f := (*failure)(nil)
	if !errors.As(err, &f) {
		return err
	}
	e := berth.Errorf(berth.EInvalid, "%s (git says: %s)", sentence, lastLine(f.said))
	e.Err = err
	return e
}
