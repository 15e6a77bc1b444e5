package berth

import "context"

// SharedService is about parameters for all elements of all deployments of a project.
type SharedService interface {
	// SharedEnvironment lists a project's own values; secrets have none.
	SharedEnvironment(ctx context.Context, project string) ([]Parameter, error)
	// SetSharedEnvironment gives values, in one release of each deployment. A name that the stack of one of
	// them calls a secret, and every value sent in secrets, goes to the vault.
	SetSharedEnvironment(ctx context.Context, project string, values map[string]string, secrets map[string]Secret) error
	UnsetSharedEnvironment(ctx context.Context, project string, names []string) error
}
