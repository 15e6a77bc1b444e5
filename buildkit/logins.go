package buildkit

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc"
)

// logins answers when BuildKit asks as whom to speak to a registry. It fetches tokens itself then.
type logins struct {
	auth.UnimplementedAuthServer
	of func(ctx context.Context, host string) (username string, password berth.Secret, ok bool, err error)
}

// Register makes logins a part of a build's session.
func (l logins) Register(server *grpc.Server) { auth.RegisterAuthServer(server, l) }

// Credentials are empty for a registry that nobody logged in to.
func (l logins) Credentials(ctx context.Context, r *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	host := r.Host
	if host == "registry-1.docker.io" {
		host = berth.DockerHub
	}
	if l.of == nil {
		return &auth.CredentialsResponse{}, nil
	}
	username, password, _, err := l.of(ctx, host)
	return &auth.CredentialsResponse{Username: username, Secret: password.Reveal()}, err
}
