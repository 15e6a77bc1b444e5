package api

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// OfPerson names whose keys are meant.
type OfPerson struct {
	Person string `query:"person" doc:"Whose; the caller's if it is left out"`
}

// sshKeyRoutes are about people's SSH public keys.
func (a *api) sshKeyRoutes() {
	call(a, route("list-keys", "GET", "/keys", "The SSH public keys of a person"), usual,
		func(ctx context.Context, s berth.Service, in *OfPerson) ([]berth.SSHKey, error) {
			return list(s.Keys(ctx, in.Person))
		})

	call(a, created(route("add-key", "POST", "/keys", "Let whoever holds the private half of a key in by SSH")), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			OfPerson
			Body apiwire.NewSSHKey
		}) (berth.SSHKey, error) {
			return s.AddKey(ctx, in.Person, in.Body.Name, in.Body.Key)
		})

	do(a, route("delete-key", "DELETE", "/keys/{key}", "End an SSH key and the connections that it let in"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			OfPerson
			Key string `path:"key" doc:"Its name"`
		}) error {
			return s.DeleteKey(ctx, in.Person, in.Key)
		})
}
