package release

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/params"
)

// resolved are the parameters of every element.
type resolved map[string][]params.Value

// parameters resolves what every element gets, and keeps what had to be generated, in one transaction.
func (l *Loop) parameters(ctx context.Context, j *job, elements []element, rows []berth.Host) (values resolved, err error) {
	err = l.Store.Update(ctx, func(tx Tx) error {
		settings, err := tx.Settings(j.deployment.ID)
		if err != nil {
			return err
		}
		shared, err := tx.SharedSettings(j.project.ID)
		if err != nil {
			return err
		}
		if err := errors.Join(withTokens(tx, settings), withTokens(tx, shared)); err != nil {
			return err
		}
		result, err := params.Resolve(params.Input{
			Deployment: j.deployment.ID,
			Elements:   l.inputs(j, elements, rows),
			Settings:   settings,
			Shared:     shared,
			Store:      func(s berth.Secret) (string, error) { return l.keepSecret(tx, j.deployment.ID, s) },
			Reveal:     func(token string) (berth.Secret, error) { return l.reveal(tx, token) },
			Random:     l.Random,
			Now:        l.Now(),
		})
		if err != nil {
			return err
		}
		for _, w := range result.Warnings {
			l.Log.Info("parameters", "deployment", j.deployment.Slug, "warning", w)
		}
		for _, s := range result.Generated {
			if err := tx.PutSetting(s); err != nil {
				return fmt.Errorf("keep generated value: %w", err)
			}
		}
		values = result.Values
		return nil
	})
	return values, err
}

func (l *Loop) inputs(j *job, elements []element, rows []berth.Host) (in []params.Element) {
	for _, e := range elements {
		one := params.Element{Identifier: e.Identifier, Platform: params.Platform(j.deployment.Stage, e.Identifier, endpoints(e, rows))}
		for _, g := range e.pkg.ParameterGroups {
			for _, p := range g.Parameters {
				one.Params = append(one.Params, params.Param{Name: p.Identifier, Default: p.Default, Secret: p.Secret(), ReadOnly: p.ReadOnly, Group: g.Identifier})
			}
		}
		for _, p := range e.pkg.EnvironmentVariables {
			one.Params = append(one.Params, params.Param{Name: p.Identifier, Default: p.Default, Secret: p.Secret(), ReadOnly: p.ReadOnly})
		}
		for _, i := range e.Includes {
			one.Includes = append(one.Includes, params.Include{Path: i.Path, As: i.As})
		}
		for _, s := range e.Statics {
			one.Statics = append(one.Statics, params.Assignment{Name: s.Name, Value: s.Value})
		}
		in = append(in, one)
	}
	return in
}

func endpoints(e element, rows []berth.Host) (out []params.Endpoint) {
	for _, h := range e.hosts {
		endpoint := params.Endpoint{Host: h.Identifier, Service: h.Service, Port: h.Port}
		for _, row := range rows {
			if row.Element == e.Identifier && row.Identifier == h.Identifier {
				endpoint.URL = row.URL
			}
		}
		out = append(out, endpoint)
	}
	return out
}

// withTokens gives secret settings the token of their newest version.
func withTokens(tx Tx, settings []berth.Setting) error {
	for i, s := range settings {
		if s.Ref == "" {
			continue
		}
		version, _, err := tx.LatestSecret(s.Ref)
		if err != nil {
			return fmt.Errorf("find secret of %s.%s: %w", s.Element, s.Name, err)
		}
		settings[i].Value = berth.SecretToken(s.Ref, version)
	}
	return nil
}

func (l *Loop) keepSecret(tx Tx, deployment berth.ID, value berth.Secret) (token string, err error) {
	sealed, err := l.Vault.Seal(value)
	if err != nil {
		return "", fmt.Errorf("seal secret: %w", err)
	}
	id := berth.NewID()
	version, err := tx.PutSecret(deployment, id, sealed)
	if err != nil {
		return "", fmt.Errorf("store secret: %w", err)
	}
	return berth.SecretToken(id, version), nil
}

var errNotAToken = errors.New("not a secret token")

func (l *Loop) reveal(tx Tx, token string) (berth.Secret, error) {
	plain, err := berth.ReplaceSecretTokens(token, func(id berth.ID, version int) (string, error) {
		sealed, err := tx.Secret(id, version)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		value, err := l.Vault.Unseal(sealed)
		return value.Reveal(), err
	})
	if err == nil && plain == token {
		err = errNotAToken
	}
	return berth.NewSecret(plain), err
}
