package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/berth-dev/berth"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
)

const (
	coreRunDir    = "/run/berth"
	coreMemory    = 64 << 20
	coreProcesses = 64
)

// coreImage is the helper binary in an image of its own.
type coreImage struct {
	ID  string
	Ref string
}

// importCore makes the image that core runs from the helper binary, unless it exists.
func (e *Engine) importCore(ctx context.Context) (coreImage, error) {
	binary, err := os.ReadFile(e.config.AgentPath)
	if err != nil {
		return coreImage{}, berth.Errorf(berth.EInvalid, "the helper binary that every deployment needs cannot be read; build it with make (%w)", err)
	}
	sum := sha256.Sum256(binary)
	image := coreImage{Ref: "berth/core:" + hex.EncodeToString(sum[:6])}
	id, found, err := e.ImageID(ctx, image.Ref)
	if err != nil {
		return coreImage{}, err
	}
	if found {
		image.ID = id
		return image, nil
	}
	rootfs, err := oneFileTar("berth-agent", binary)
	if err != nil {
		return coreImage{}, fmt.Errorf("pack core image: %w", err)
	}
	image.ID, err = e.ImportImage(ctx, rootfs, image.Ref, nil, []string{`ENTRYPOINT ["/berth-agent"]`})
	return image, err
}

func oneFileTar(name string, content []byte) (*bytes.Buffer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	return &b, w.Close()
}

// ensureNetwork sees that the deployment has its network and, in it, a core that runs. exists is what was
// listed of the deployment; while core runs in the network seen last, that is all there is to look at.
func (e *Engine) ensureNetwork(ctx context.Context, id berth.ID, exists []containerState) (deploymentNetwork, error) {
	n, core, err := e.surround(ctx, id, exists)
	if err != nil {
		return n, err
	}
	return n, core()
}

// surround is ensureNetwork for callers with something to do while core starts: core waits for that, and
// has to be called.
func (e *Engine) surround(ctx context.Context, id berth.ID, exists []containerState) (n deploymentNetwork, core func() error, err error) {
	e.mu.Lock()
	m := e.memory(id)
	e.mu.Unlock()
	m.surrounding.Lock()
	starting := false
	defer func() {
		if !starting {
			m.surrounding.Unlock()
		}
	}()
	if e.coreRuns(m.network, exists) {
		return m.network, func() error { return nil }, nil
	}
	// Somebody else (a task beside a Sync) may have made it since exists was listed.
	if exists, err = e.docker.containers(ctx, labelDeployment, string(id), labelRole, roleCore); err != nil {
		return n, nil, err
	}
	if n, err = e.network(ctx, id); err != nil {
		return n, nil, err
	}
	starting = true
	ended := make(chan error, 1)
	go func() {
		defer m.surrounding.Unlock()
		err := e.ensureCore(ctx, id, n, exists)
		if err == nil {
			m.network = n
		}
		ended <- err
	}()
	return n, sync.OnceValue(func() error { return <-ended }), nil
}

func (e *Engine) coreHash(n deploymentNetwork) string { return shortHash(e.core.ID, n.ID) }

func (e *Engine) coreRuns(n deploymentNetwork, exists []containerState) bool {
	return slices.ContainsFunc(exists, func(c containerState) bool {
		return c.Labels[labelRole] == roleCore && c.Labels[labelHash] == e.coreHash(n) && c.running()
	})
}

// ensureCore finds or makes the deployment's core container and sees that it runs.
func (e *Engine) ensureCore(ctx context.Context, id berth.ID, n deploymentNetwork, exists []containerState) error {
	if e.coreRuns(n, exists) {
		return nil
	}
	for _, c := range exists {
		if c.Labels[labelRole] != roleCore {
			continue
		}
		if c.Labels[labelHash] == e.coreHash(n) && e.docker.start(ctx, c.ID) == nil {
			return nil
		}
		// It is of an older helper or network, or its directory has gone: make it anew.
		if err := e.docker.remove(ctx, c.ID); err != nil {
			return err
		}
	}
	dir := e.netDir(id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make name table directory: %w", err)
	}
	r := coreRequest(e.core.ID, id, n, dir, e.coreHash(n))
	container, err := e.docker.create(ctx, coreName(id), r.Config, r.Host, r.Network)
	if err != nil {
		return err
	}
	return e.docker.start(ctx, container)
}

// coreRequest makes the create call for core: the one container that Docker itself restarts, outside of
// the deployment's limits so that an application cannot starve its own name server.
func coreRequest(image string, id berth.ID, n deploymentNetwork, dir, hash string) request {
	processes := int64(coreProcesses)
	r := request{
		Config: &container.Config{
			Image:      image,
			Entrypoint: []string{"/berth-agent"},
			Cmd:        []string{"core", "--dir", coreRunDir},
			Hostname:   "core",
			Labels: map[string]string{
				labelDeployment: string(id), labelRole: roleCore, labelHash: hash,
			},
		},
		Host: &container.HostConfig{
			NetworkMode:    container.NetworkMode(networkName(id)),
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyAlways},
			LogConfig:      container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}},
			ReadonlyRootfs: true,
			CapDrop:        []string{"ALL"},
			CapAdd:         []string{"NET_BIND_SERVICE"},
			SecurityOpt:    []string{"no-new-privileges"},
			// Connecting to the socket in there writes nothing to the directory.
			Mounts: []mount.Mount{bind(dir, coreRunDir, true)},
		},
		Network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			networkName(id): {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.core()}},
		}},
	}
	r.Host.Memory, r.Host.MemorySwap, r.Host.PidsLimit = coreMemory, coreMemory, &processes
	return r
}

func (e *Engine) deploymentDir(id berth.ID) string { return filepath.Join(e.config.RunDir, string(id)) }
func (e *Engine) netDir(id berth.ID) string        { return filepath.Join(e.deploymentDir(id), "net") }

// coreAddress is where core is or will be.
func coreAddress(n deploymentNetwork) string {
	if n.Subnet == (netip.Prefix{}) {
		return ""
	}
	return n.core().String()
}
