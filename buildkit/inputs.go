package buildkit

import (
	"fmt"
	"os"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/build"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/util/staticfs"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// dockerfileName is what the Dockerfile is called on its way; people read Request.Name instead.
const dockerfileName = "Dockerfile"

// dockerfileFS holds the Dockerfile and, where the request says what to ignore, that list under the
// name by which the frontend prefers it to the context's own .dockerignore.
func dockerfileFS(r build.Request) *staticfs.FS {
	files := staticfs.NewFS()
	files.Add(dockerfileName, &fstypes.Stat{Mode: 0o644}, r.Dockerfile)
	if r.Ignore != nil {
		files.Add(dockerfileName+".dockerignore", &fstypes.Stat{Mode: 0o644}, r.Ignore)
	}
	return files
}

// secrets are what steps may mount: the request's own, and ours.
func (r *run) secrets() (map[string][]byte, error) {
	secrets := make(map[string][]byte)
	for id, secret := range r.request.Secrets {
		secrets[id] = []byte(secret.Reveal())
	}
	for id, content := range r.request.Files {
		secrets[id] = content
	}
	if r.caFile != "" {
		bundle, err := os.ReadFile(r.caFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate bundle: %w", err)
		}
		secrets[caSecret] = bundle
		secrets[aptSecret] = []byte(aptConfig)
	}
	for id, content := range secrets {
		if len(content) > secretsprovider.MaxSecretSize {
			return nil, berth.Errorf(berth.EInvalid, "build secret %s has %d KiB; BuildKit takes at most %d KiB",
				id, len(content)>>10, secretsprovider.MaxSecretSize>>10)
		}
	}
	return secrets, nil
}
