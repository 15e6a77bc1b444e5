package control

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/berth-dev/berth"
)

// Environment lists what the newest complete release resolved, with the values a person gave since on top.
func (s *Service) Environment(ctx context.Context, ref, identifier string) (params []berth.Parameter, err error) {
	err = s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, EnvironmentRead, ref)
		if err != nil {
			return err
		}
		params, err = parameters(tx, d, identifier)
		return err
	})
	return masked(params), err
}

// masked takes the values of secrets away.
func masked(params []berth.Parameter) []berth.Parameter {
	for i, p := range params {
		if p.Secret {
			params[i].Value = ""
		}
	}
	return params
}

// parameters are those of an element, or all, with tokens in place of secrets.
func parameters(tx Tx, d berth.Deployment, identifier string) ([]berth.Parameter, error) {
	release, ok, err := complete(tx, d.ID)
	if err != nil {
		return nil, err
	}
	if ok && identifier != "" {
		if _, err := element(release, d.Slug, identifier); err != nil {
			return nil, err
		}
	}
	settings, err := tx.Settings(d.ID)
	if err != nil {
		return nil, err
	}
	shared, err := tx.SharedSettings(d.ProjectID)
	if err != nil {
		return nil, err
	}
	return overlay(release.Elements, shared, settings, identifier), nil
}

type parameterKey struct{ element, name string }

// overlay is pure: resolved parameters with the project's and then the deployment's settings on top, by
// element and name. A parameter whose setting was taken back since shows the value it still runs with.
func overlay(elements []berth.ReleaseElement, shared, settings []berth.Setting, only string) []berth.Parameter {
	shown := map[parameterKey]berth.Parameter{}
	for _, e := range elements {
		for _, p := range e.Parameters {
			p.Element = e.Identifier
			shown[parameterKey{p.Element, p.Name}] = p
		}
	}
	set := func(element string, s berth.Setting, origin berth.Origin) {
		key := parameterKey{element, s.Name}
		p := shown[key]
		p.Element, p.Name, p.Value, p.Origin = element, s.Name, s.Value, origin
		p.Secret = p.Secret || s.Ref != ""
		shown[key] = p
	}
	for _, s := range shared {
		for _, e := range elements {
			if !shown[parameterKey{e.Identifier, s.Name}].ReadOnly {
				set(e.Identifier, s, berth.OriginShared)
			}
		}
	}
	for _, s := range settings {
		if !s.Generated {
			set(s.Element, s, berth.OriginDeployment)
		}
	}
	out := make([]berth.Parameter, 0, len(shown))
	for _, p := range shown {
		if only != "" && p.Element != only {
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b berth.Parameter) int {
		return cmp.Or(cmp.Compare(a.Element, b.Element), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// SetEnvironment stores values of a deployment and makes the one release that uses them.
func (s *Service) SetEnvironment(ctx context.Context, ref, identifier string, values map[string]string, secrets map[string]berth.Secret) error {
	if err := validateValues(values, secrets); err != nil {
		return err
	}
	if err := s.elementExists(ctx, ref, identifier); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, EnvironmentChange, ref)
		if err != nil {
			return err
		}
		present, err := parameters(tx, d, identifier)
		if err != nil {
			return err
		}
		plain, secret, err := separate(present, values, secrets)
		if err != nil {
			return err
		}
		if err := s.maySetSecrets(tx, d, len(secret) > 0); err != nil {
			return err
		}
		if err := s.control.store(tx, d.ID, identifier, plain, secret); err != nil {
			return err
		}
		if _, err := rerelease(tx, d, "env set"); err != nil {
			return err
		}
		names := slices.Concat(slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(secret)))
		return s.event(tx, d, identifier, "environment.set", listed(names)+" of "+identifier+" was set")
	})
}

func validateValues(values map[string]string, secrets map[string]berth.Secret) error {
	if len(values)+len(secrets) == 0 {
		return invalid("values", "there is nothing to set")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, twice := secrets[name]; twice {
			return invalid(name, "this is given both in plain and as a secret")
		}
		if err := berth.ValidateParameter(name, values[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if err := berth.ValidateParameter(name, secrets[name].Reveal()); err != nil {
			return err
		}
	}
	return nil
}

// elementExists refuses a misspelt element even before the first release knows what there is.
func (s *Service) elementExists(ctx context.Context, ref, identifier string) error {
	if identifier == "" {
		return invalid("element", "say which element")
	}
	var d berth.Deployment
	var p berth.Project
	var release berth.Release
	err := s.view(ctx, func(tx Tx) (err error) {
		if d, err = s.changeable(tx, EnvironmentChange, ref); err != nil {
			return err
		}
		if p, err = tx.ProjectByID(s.caller.Scope(), d.ProjectID); err != nil {
			return err
		}
		if release, _, err = complete(tx, d.ID); err != nil || release.Elements != nil {
			return err
		}
		heads, err := tx.Releases(d.ID, 1)
		if len(heads) > 0 {
			release = heads[0]
		}
		return err
	})
	if err != nil || release.Elements != nil {
		return cmp.Or(err, found(release, d.Slug, identifier))
	}
	stack, known, err := s.control.stack(ctx, p, release.Commit)
	if err != nil || !known {
		return nil // its release will say what is wrong with the file
	}
	if there := slices.Concat(stack.Components, stack.Addons); !slices.Contains(there, identifier) {
		return noElement(d.Slug, identifier, there)
	}
	return nil
}

func found(r berth.Release, slug, identifier string) error {
	if r.Elements == nil {
		return nil
	}
	_, err := element(r, slug, identifier)
	return err
}

// separate decides which values are secrets: those sent as such, and those the stack calls so.
func separate(present []berth.Parameter, values map[string]string, secrets map[string]berth.Secret) (map[string]string, map[string]berth.Secret, error) {
	plain, secret := maps.Clone(values), maps.Clone(secrets)
	if secret == nil {
		secret = map[string]berth.Secret{}
	}
	for _, p := range present {
		value, isPlain := values[p.Name]
		_, isSecret := secrets[p.Name]
		switch {
		case !isPlain && !isSecret:
		case p.Origin == berth.OriginPlatform:
			return nil, nil, invalid(p.Name, "Berth itself gives this value; it cannot be set")
		case p.ReadOnly:
			return nil, nil, invalid(p.Name, "the package says that this value cannot be changed")
		case isPlain && p.Secret:
			delete(plain, p.Name)
			secret[p.Name] = berth.NewSecret(value)
		}
	}
	return plain, secret, nil
}

// maySetSecrets keeps secrets of build stages to owners.
func (s *Service) maySetSecrets(tx Tx, d berth.Deployment, any bool) error {
	if !any || d.Kind != berth.KindBuild {
		return nil
	}
	return authorise(tx, s.caller, SecretChange, d.ProjectID)
}

// store writes the settings; a secret's new value is the next version of the secret it already has.
func (c *Control) store(tx Tx, deployment berth.ID, identifier string, plain map[string]string, secrets map[string]berth.Secret) error {
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		if err := tx.PutSetting(berth.Setting{Deployment: deployment, Element: identifier, Name: name, Value: plain[name]}); err != nil {
			return err
		}
	}
	if len(secrets) == 0 {
		return nil
	}
	refs, err := secretRefs(tx, deployment, identifier)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		ref := cmp.Or(refs[name], berth.NewID())
		token, err := c.sealSecret(tx, deployment, ref, secrets[name])
		if err != nil {
			return err
		}
		setting := berth.Setting{Deployment: deployment, Element: identifier, Name: name, Ref: ref, Value: token}
		if err := tx.PutSetting(setting); err != nil {
			return err
		}
	}
	return nil
}

// sealSecret stores a value as the next version of a secret of owner, and returns the token for it.
func (c *Control) sealSecret(tx Tx, owner, ref berth.ID, value berth.Secret) (token string, err error) {
	sealed, err := c.Vault.Seal(value)
	if err != nil {
		return "", err
	}
	version, err := tx.PutSecret(owner, ref, sealed)
	if err != nil {
		return "", err
	}
	return berth.SecretToken(ref, version), nil
}

func secretRefs(tx Tx, deployment berth.ID, identifier string) (map[string]berth.ID, error) {
	settings, err := tx.Settings(deployment)
	if err != nil {
		return nil, err
	}
	refs := map[string]berth.ID{}
	for _, s := range settings {
		if s.Element == identifier && !s.Generated && s.Ref != "" {
			refs[s.Name] = s.Ref
		}
	}
	return refs, nil
}

// UnsetEnvironment takes a person's values back, in one release: the level below gives the value again.
func (s *Service) UnsetEnvironment(ctx context.Context, ref, identifier string, names []string) error {
	if len(names) == 0 {
		return invalid("names", "there is nothing to unset")
	}
	return s.update(ctx, func(tx Tx) error {
		d, err := s.changeable(tx, EnvironmentChange, ref)
		if err != nil {
			return err
		}
		if _, err := parameters(tx, d, identifier); err != nil {
			return err
		}
		secret, err := unset(tx, d.ID, identifier, names)
		if err != nil {
			return err
		}
		if err := s.maySetSecrets(tx, d, secret); err != nil {
			return err
		}
		if _, err := rerelease(tx, d, "env unset"); err != nil {
			return err
		}
		return s.event(tx, d, identifier, "environment.unset", listed(names)+" of "+identifier+" was unset")
	})
}

// unset deletes settings and reports whether one of them was a secret.
func unset(tx Tx, deployment berth.ID, identifier string, names []string) (secret bool, err error) {
	settings, err := tx.Settings(deployment)
	if err != nil {
		return false, err
	}
	given := map[string]berth.Setting{}
	for _, s := range settings {
		if s.Element == identifier && !s.Generated {
			given[s.Name] = s
		}
	}
	for _, name := range names {
		setting, ok := given[name]
		if !ok {
			return false, berth.Errorf(berth.ENotFound, "%s of %s was not set by anybody, so it cannot be unset", name, identifier)
		}
		secret = secret || setting.Ref != ""
		if err := tx.DeleteSetting(deployment, identifier, name); err != nil {
			return false, err
		}
	}
	return secret, nil
}
