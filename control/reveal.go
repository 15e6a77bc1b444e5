package control

import (
	"context"

	"github.com/berth-dev/berth"
)

// RevealEnvironment shows an element's parameters with the values of secrets. That somebody looked is
// recorded before anything is shown.
func (s *Service) RevealEnvironment(ctx context.Context, ref, identifier string) (params []berth.Parameter, err error) {
	if identifier == "" {
		return nil, invalid("element", "say which element")
	}
	err = s.update(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, SecretReveal, ref)
		if err != nil {
			return err
		}
		if params, err = parameters(tx, d, identifier); err != nil {
			return err
		}
		for i, p := range params {
			if !p.Secret {
				continue
			}
			if params[i].Value, err = s.control.opened(tx, d, p.Value); err != nil {
				return err
			}
		}
		return s.event(tx, d, identifier, "environment.revealed", "the secrets of "+identifier+" were shown to "+s.caller.Name)
	})
	if err != nil {
		return nil, err
	}
	return params, nil
}

// opened puts secrets in the place of their tokens. A token of anybody else's secret opens nothing.
func (c *Control) opened(tx Tx, d berth.Deployment, text string) (string, error) {
	return berth.ReplaceSecretTokens(text, func(id berth.ID, version int) (string, error) {
		sealed, err := tx.SecretOf(d.ID, d.ProjectID, id, version)
		if err != nil {
			return "", err
		}
		value, err := c.Vault.Unseal(sealed)
		return value.Reveal(), err
	})
}
