package client

import (
	"context"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// SharedEnvironment lists a project's values.
func (c *Client) SharedEnvironment(ctx context.Context, project string) (list []berth.Parameter, err error) {
	return list, c.call(ctx, get, at("projects", project, "environment"), nil, nil, &list)
}

// SetSharedEnvironment gives a project values.
func (c *Client) SetSharedEnvironment(ctx context.Context, project string, values map[string]string, secrets map[string]berth.Secret) error {
	return c.call(ctx, patch, at("projects", project, "environment"), nil, setEnvironment(values, secrets), nil)
}

// UnsetSharedEnvironment takes a project's values back.
func (c *Client) UnsetSharedEnvironment(ctx context.Context, project string, names []string) error {
	return c.call(ctx, post, at("projects", project, "environment", "unset"), nil, unsetEnvironment(names), nil)
}

// RevealEnvironment lists parameters with the values of secrets.
func (c *Client) RevealEnvironment(ctx context.Context, ref, element string) (list []berth.Parameter, err error) {
	return list, c.call(ctx, post, at("deployments", ref, "environment", element, "reveal"), nil, nil, &list)
}

func setEnvironment(values map[string]string, secrets map[string]berth.Secret) apiwire.SetEnvironment {
	in := apiwire.SetEnvironment{Values: values, Secrets: map[string]string{}}
	for name, value := range secrets {
		in.Secrets[name] = value.Reveal()
	}
	return in
}

func unsetEnvironment(names []string) apiwire.UnsetEnvironment {
	if names == nil {
		names = []string{}
	}
	return apiwire.UnsetEnvironment{Names: names}
}
