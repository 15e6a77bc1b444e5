package git

import (
	"context"
	"fmt"
	"io"

	"github.com/berth-dev/berth"
)

// The two halves of Git's smart HTTP protocol (gitprotocol-http(5)): what a clone or fetch asks, and what a push asks.
const (
	upload  = "upload-pack"
	receive = "receive-pack"
)

// stateless has git answer one request and end.
const stateless = "--stateless-rpc"

// hiddenRefs are neither shown nor taken: a project's repository has branches and tags, and what Berth keeps
// beside them is its own.
var hiddenRefs = []string{"transfer.hideRefs=refs", "transfer.hideRefs=!refs/heads", "transfer.hideRefs=!refs/tags"}

// Advertise writes what a project's repository offers to a clone or fetch, or to a push, as the answer to
// info/refs without its first line. protocol is the request's Git-Protocol header.
func (g *Git) Advertise(ctx context.Context, project berth.ID, push bool, protocol string, w io.Writer) error {
	half := upload
	if push {
		half = receive
	}
	return g.serve(ctx, project, half, protocol, nil, w, nil, stateless, "--advertise-refs")
}

// UploadPack answers one request of a clone or fetch.
func (g *Git) UploadPack(ctx context.Context, project berth.ID, protocol string, in io.Reader, out io.Writer) error {
	return g.serve(ctx, project, upload, protocol, in, out, []string{"uploadpack.allowFilter=true"}, stateless)
}

// Converse serves a clone or fetch in which both sides speak in turn, as over SSH.
func (g *Git) Converse(ctx context.Context, project berth.ID, protocol string, in io.Reader, out io.Writer) error {
	return g.serve(ctx, project, upload, protocol, in, out, []string{"uploadpack.allowFilter=true"})
}

// ReceivePack takes what a push sends. It waits until nobody else writes to the repository, and then asks may,
// whose error it returns with nothing taken or answered. Unless force is set, a branch may only grow. What is
// received counts in whole or not at all.
func (g *Git) ReceivePack(ctx context.Context, project berth.ID, force bool, may func(context.Context) error, in io.Reader, out io.Writer) error {
	config := []string{fmt.Sprintf("receive.maxInputSize=%d", g.config.MaxFetch), "receive.autogc=false", "receive.denyDeleteCurrent=ignore",
		"receive.denyCurrentBranch=ignore", "receive.fsckObjects=true", "receive.fsck.zeroPaddedFilemode=ignore", "receive.fsck.badTimezone=ignore",
		"receive.fsck.missingSpaceBeforeDate=ignore", "receive.fsck.missingSpaceBeforeEmail=ignore", "receive.fsck.multipleAuthors=ignore"}
	// Said in either case: a shared repository, which a project's is, forbids it by itself.
	config = append(config, fmt.Sprintf("receive.denyNonFastForwards=%t", !force))
	return g.writing(ctx, project, func(ctx context.Context) error {
		if err := may(ctx); err != nil {
			return err
		}
		return g.serve(ctx, project, receive, "", in, out, config, stateless)
	})
}

func (g *Git) serve(ctx context.Context, project berth.ID, half, protocol string, in io.Reader, out io.Writer, config []string, options ...string) error {
	if err := g.mustExist(project); err != nil {
		return err
	}
	var env []string
	if protocol == "version=1" || protocol == "version=2" {
		env = []string{"GIT_PROTOCOL=" + protocol}
	}
	args := append([]string{half}, options...)
	if half == upload {
		args = append(args, "--strict")
	}
	// The repository is an argument here, and safe: it lies below the directory of all and is named by an id.
	err := g.run(ctx, command{args: append(args, "--", g.Dir(project)), config: append(config, hiddenRefs...), env: env, stdin: in, stdout: out})
	if err != nil {
		return fmt.Errorf("serve repository: %w", err)
	}
	return nil
}
