package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	registrytypes "github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
)

// CheckRegistry asks a registry whether a login is right.
func (e *Engine) CheckRegistry(ctx context.Context, host, username string, password berth.Secret) error {
	_, err := e.docker.client.RegistryLogin(ctx, client.RegistryLoginOptions{
		Username: username, Password: password.Reveal(), ServerAddress: serverAddress(host),
	})
	switch {
	case err == nil:
		return nil
	case errdefs.IsUnauthorized(err), refuses(err):
		return berth.Errorf(berth.EInvalid, "%s does not accept this name and password; some registries want a token in the place of the password", host)
	}
	return berth.Errorf(berth.EUnavailable, "the registry %s cannot be asked: %w", host, err)
}

// serverAddress is how Docker's engine names a registry in a login.
func serverAddress(host string) string {
	if host == berth.DockerHub {
		return "https://index.docker.io/v1/"
	}
	return host
}

// registryAuth is the login for an image's registry as the engine takes it, "" where there is none.
func (e *Engine) registryAuth(ctx context.Context, ref string) (string, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil || e.config.Registry == nil {
		return "", nil // the engine says what is wrong with a reference
	}
	host := reference.Domain(named)
	username, password, ok, err := e.config.Registry(ctx, host)
	if err != nil || !ok {
		return "", err
	}
	text, err := json.Marshal(registrytypes.AuthConfig{Username: username, Password: password.Reveal(), ServerAddress: serverAddress(host)})
	if err != nil {
		return "", fmt.Errorf("encode login: %w", err)
	}
	return base64.URLEncoding.EncodeToString(text), nil
}

// pullError tells a registry that answered, and has no such image (not found) or does not give it
// (forbidden), from one that did not answer. Docker passes the registry's answer on as text only.
func pullError(ref string, err error) error {
	switch {
	case errdefs.IsNotFound(err) || strings.Contains(err.Error(), "manifest unknown"):
		return berth.Errorf(berth.ENotFound, "the image %s cannot be pulled: %w", ref, err)
	case refuses(err):
		return berth.Errorf(berth.EForbidden, "the image %s cannot be pulled: its registry does not give it to us, or has no such image. If it is private: berth registry login %s --username NAME (%w)", ref, registryOf(ref), err)
	}
	return berth.Errorf(berth.EUnavailable, "the image %s cannot be pulled: %w", ref, err)
}

// refuses reports whether a registry says that it wants another login. For an image that does not exist
// many say so too.
func refuses(err error) bool {
	return slices.ContainsFunc([]string{"unauthorized", "401 Unauthorized", "authentication required", "access denied", "denied:", "no basic auth credentials", "incorrect username or password"},
		func(part string) bool { return strings.Contains(err.Error(), part) })
}

func registryOf(ref string) string {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return "HOST"
	}
	return reference.Domain(named)
}
