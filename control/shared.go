package control

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/berth-dev/berth"
)

// SharedEnvironment lists the values that a project gives all its elements.
func (s *Service) SharedEnvironment(ctx context.Context, project string) (params []berth.Parameter, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.project(tx, EnvironmentRead, project)
		if err != nil {
			return err
		}
		settings, err := tx.SharedSettings(p.ID)
		for _, one := range settings {
			params = append(params, berth.Parameter{Name: one.Name, Value: one.Value, Secret: one.Ref != "", Origin: berth.OriginShared})
		}
		return err
	})
	return masked(params), err
}

// SetSharedEnvironment stores values of a project and makes the releases that use them.
func (s *Service) SetSharedEnvironment(ctx context.Context, project string, values map[string]string, secrets map[string]berth.Secret) error {
	if err := validateValues(values, secrets); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		p, err := s.project(tx, EnvironmentChange, project)
		if err != nil {
			return err
		}
		present, err := projectParameters(tx, p)
		if err != nil {
			return err
		}
		plain, secret, err := separate(present, values, secrets)
		if err != nil {
			return err
		}
		if err := s.maySetSharedSecrets(tx, p, len(secret) > 0); err != nil {
			return err
		}
		if err := s.control.storeShared(tx, p.ID, plain, secret); err != nil {
			return err
		}
		names := slices.Concat(slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(secret)))
		return s.shared(tx, p, "environment.set", listed(names)+" of project "+p.Name+" was set")
	})
}

// maySetSharedSecrets: a project's secrets reach its build stages, whose secrets are for owners.
func (s *Service) maySetSharedSecrets(tx Tx, p berth.Project, any bool) error {
	if !any {
		return nil
	}
	return authorise(tx, s.caller, SecretChange, p.ID)
}

// projectParameters are the parameters of all deployments and the project's own. What one package fixes
// stays fixed there, and keeps no other element from a value.
func projectParameters(tx Tx, p berth.Project) (all []berth.Parameter, err error) {
	deployments, err := tx.Deployments(berth.Everything(), p.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range deployments {
		params, err := parameters(tx, d, "")
		if err != nil {
			return nil, err
		}
		all = append(all, params...)
	}
	for i := range all {
		all[i].ReadOnly = false
	}
	settings, err := tx.SharedSettings(p.ID)
	for _, one := range settings {
		all = append(all, berth.Parameter{Name: one.Name, Secret: one.Ref != "", Origin: berth.OriginShared})
	}
	return all, err
}

// storeShared writes a project's settings; a secret's new value is the next version of the secret it has.
func (c *Control) storeShared(tx Tx, project berth.ID, plain map[string]string, secrets map[string]berth.Secret) error {
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		if err := tx.PutSharedSetting(project, berth.Setting{Name: name, Value: plain[name]}); err != nil {
			return err
		}
	}
	settings, err := tx.SharedSettings(project)
	if err != nil {
		return err
	}
	refs := map[string]berth.ID{}
	for _, one := range settings {
		refs[one.Name] = one.Ref
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		ref := cmp.Or(refs[name], berth.NewID())
		token, err := c.sealSecret(tx, project, ref, secrets[name])
		if err != nil {
			return err
		}
		if err := tx.PutSharedSetting(project, berth.Setting{Name: name, Ref: ref, Value: token}); err != nil {
			return err
		}
	}
	return nil
}

// UnsetSharedEnvironment takes a project's values back.
func (s *Service) UnsetSharedEnvironment(ctx context.Context, project string, names []string) error {
	if len(names) == 0 {
		return invalid("names", "there is nothing to unset")
	}
	return s.update(ctx, func(tx Tx) error {
		p, err := s.project(tx, EnvironmentChange, project)
		if err != nil {
			return err
		}
		settings, err := tx.SharedSettings(p.ID)
		if err != nil {
			return err
		}
		secret := false
		for _, name := range names {
			i := slices.IndexFunc(settings, func(one berth.Setting) bool { return one.Name == name })
			if i < 0 {
				return berth.Errorf(berth.ENotFound, "%s of project %s was not set by anybody, so it cannot be unset", name, p.Name)
			}
			secret = secret || settings[i].Ref != ""
			if err := tx.DeleteSharedSetting(p.ID, name); err != nil {
				return err
			}
		}
		if err := s.maySetSharedSecrets(tx, p, secret); err != nil {
			return err
		}
		return s.shared(tx, p, "environment.unset", listed(names)+" of project "+p.Name+" was unset")
	})
}

// shared records a change of a project's values and makes the release of each deployment that uses it.
func (s *Service) shared(tx Tx, p berth.Project, kind, message string) error {
	deployments, err := tx.Deployments(berth.Everything(), p.ID)
	if err != nil {
		return err
	}
	for _, d := range deployments {
		if d.Desire == berth.DesireDelete {
			continue
		}
		if _, err := rerelease(tx, d, "project env"); err != nil {
			return err
		}
		if err := s.event(tx, d, "", kind, message); err != nil {
			return err
		}
	}
	return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: kind, Message: message})
}
