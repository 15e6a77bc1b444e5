package berth

import (
	"context"
	"regexp"
	"strings"
	"time"
)

// Registry is a login to a registry of images. The password is kept apart.
type Registry struct {
	Host      string    `json:"host"` // as image references begin: "ghcr.io", "registry.example.com:5000"
	Username  string    `json:"username"`
	CreatedAt time.Time `json:"createdAt"`
}

// RegistryService is about logins to registries of images. They count for the whole server: for images
// that deployments run, and for those that builds begin with.
type RegistryService interface {
	Registries(ctx context.Context) ([]Registry, error)
	// LoginRegistry asks the registry whether the login is right, and stores it in the place of an older one.
	LoginRegistry(ctx context.Context, host, username string, password Secret) (Registry, error)
	LogoutRegistry(ctx context.Context, host string) error
}

// DockerHub is how image references name the registry that they leave out.
const DockerHub = "docker.io"

var registryHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

// ParseRegistry returns a registry's host as image references name it.
func ParseRegistry(text string) (host string, err error) {
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/"))
	switch host {
	case "index.docker.io", "registry-1.docker.io", "hub.docker.com", "index.docker.io/v1":
		return DockerHub, nil
	}
	if !registryHost.MatchString(host) || len(host) > 255 {
		return "", &Error{Code: EInvalid, Field: "host", Message: "this is not the host of a registry; one looks like ghcr.io or registry.example.com:5000"}
	}
	return host, nil
}
