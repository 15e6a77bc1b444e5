package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// CreateDeployment stores the wish and its first release. What can be known to be wrong is refused
// here: an absent branch, a stage that is not on offer, a project file that does not parse.
func (s *Service) CreateDeployment(ctx context.Context, project string, n berth.NewDeployment) (berth.Deployment, error) {
	if err := berth.ValidateName("name", n.Name); err != nil {
		return berth.Deployment{}, err
	}
	p, err := s.mayCreateDeployment(ctx, project)
	if err != nil {
		return berth.Deployment{}, err
	}
	if err := s.control.room(); err != nil {
		return berth.Deployment{}, err
	}
	d := berth.Deployment{
		ID: berth.NewID(), ProjectID: p.ID, Project: p.Name, Name: n.Name, Desire: berth.DesireRun,
		Stage: n.Stage, Branch: n.Branch, Size: n.Size,
	}
	commit, settings, err := s.control.plan(ctx, &p, &d, n.Set)
	if err != nil {
		return berth.Deployment{}, err
	}
	err = s.update(ctx, func(tx Tx) error {
		if err := s.keepStages(tx, DeploymentCreate, p); err != nil {
			return err
		}
		if d, err = s.insert(tx, d, commit, settings); err != nil {
			return err
		}
		d, err = s.control.present(tx, d)
		return err
	})
	return d, err
}

func (s *Service) mayCreateDeployment(ctx context.Context, project string) (p berth.Project, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err = s.project(tx, DeploymentCreate, project)
		if err == nil && p.Deleting {
			err = berth.Errorf(berth.EConflict, "project %s is being deleted", p.Name)
		}
		return err
	})
	return p, err
}

// plan fills in what the wish leaves open, and checks it against the commit that will run and the stages
// that the project offers.
func (c *Control) plan(ctx context.Context, p *berth.Project, d *berth.Deployment, set map[string]string) (commit string, settings []berth.Setting, err error) {
	if err := c.fetch(ctx, *p); err != nil {
		return "", nil, err
	}
	p.Stages = c.stages(ctx, *p)
	if err := enter(d, *p); err != nil {
		return "", nil, err
	}
	if commit, err = c.branchHead(ctx, *p, d.Branch); err != nil {
		return "", nil, err
	}
	stack, known, err := c.stack(ctx, *p, commit)
	if err != nil {
		return "", nil, err
	}
	settings, err = settingsOf(*d, set, stack, known)
	return commit, settings, err
}

// settingsOf turns "element.KEY" → value into settings.
func settingsOf(d berth.Deployment, set map[string]string, stack Stack, known bool) (settings []berth.Setting, err error) {
	elements := slices.Concat(stack.Components, stack.Addons)
	for _, key := range slices.Sorted(maps.Keys(set)) {
		element, name, ok := strings.Cut(key, ".")
		if !ok || element == "" {
			return nil, invalid("set", fmt.Sprintf("%q is not ELEMENT.KEY", key))
		}
		if known && !slices.Contains(elements, element) {
			return nil, invalid("set", fmt.Sprintf("the stack has no element %s; it has %s", element, listed(elements)))
		}
		if err := berth.ValidateParameter(name, set[key]); err != nil {
			return nil, err
		}
		if berth.LooksSecret(name) {
			return nil, invalid(name, "this looks like a secret, and --set stores values in plain: create the deployment, then berth env set "+d.Name+" "+element+" "+name)
		}
		settings = append(settings, berth.Setting{Deployment: d.ID, Element: element, Name: name, Value: set[key]})
	}
	return settings, nil
}

// insert writes the deployment with everything that makes it wanted.
func (s *Service) insert(tx Tx, d berth.Deployment, commit string, settings []berth.Setting) (berth.Deployment, error) {
	var err error
	if d.Slug, err = freeSlug(tx, d); err != nil {
		return d, err
	}
	d.CreatedAt = tx.Now()
	if err := tx.CreateDeployment(d); err != nil {
		return d, err
	}
	for _, setting := range settings {
		if err := tx.PutSetting(setting); err != nil {
			return d, err
		}
	}
	if _, err := tx.CreateRelease(newRelease(d, commit, "created")); err != nil {
		return d, err
	}
	if err := tx.PutFollowed(d.ID, commit); err != nil {
		return d, err
	}
	return d, s.event(tx, d, "", "deployment.created", fmt.Sprintf("%s was created from branch %s at %s", d.Slug, d.Branch, short(commit)))
}

func newRelease(d berth.Deployment, commit, cause string) berth.Release {
	return berth.Release{ID: berth.NewID(), Deployment: d.ID, State: berth.ReleasePending, Commit: commit, Cause: cause}
}

// freeSlug is the slug of the names, or the same with a hash where another deployment came first.
func freeSlug(tx Tx, d berth.Deployment) (string, error) {
	slug, salt := berth.Slug(d.Name, d.Project), string(d.ID)
	for {
		taken, err := tx.SlugTaken(slug)
		if err != nil || !taken {
			return slug, err
		}
		slug = berth.WithHash(berth.Slug(d.Name, d.Project), salt, berth.MaxName)
		salt += "."
	}
}

// Deployments lists those of a project, or all, without what only show needs.
func (s *Service) Deployments(ctx context.Context, project string) (list []berth.Deployment, err error) {
	err = s.view(ctx, func(tx Tx) error {
		var id berth.ID
		if project != "" {
			p, err := s.project(tx, ProjectRead, project)
			if err != nil {
				return err
			}
			id = p.ID
		}
		list, err = s.control.list(tx, s.caller.Scope(), id)
		return err
	})
	return list, err
}

// Deployment shows one.
func (s *Service) Deployment(ctx context.Context, ref string) (d berth.Deployment, err error) {
	err = s.view(ctx, func(tx Tx) error {
		if d, err = s.deployment(tx, DeploymentRead, ref); err != nil {
			return err
		}
		d, err = s.control.present(tx, d)
		return err
	})
	if err == nil {
		s.control.measure(ctx, d.Volumes)
	}
	return d, err
}

// change loads a deployment, lets fn change its wishes and stores and shows the result.
func (s *Service) change(ctx context.Context, verb Verb, ref string, fn func(tx Tx, d *berth.Deployment) error) (d berth.Deployment, err error) {
	err = s.update(ctx, func(tx Tx) error {
		if d, err = s.changeable(tx, verb, ref); err != nil {
			return err
		}
		if err := fn(tx, &d); err != nil {
			return err
		}
		if err := tx.UpdateDeployment(d); err != nil {
			return err
		}
		d, err = s.control.present(tx, d)
		return err
	})
	return d, err
}

// RenameDeployment changes the name only: slug and hosts stay.
func (s *Service) RenameDeployment(ctx context.Context, ref, name string) (berth.Deployment, error) {
	if err := berth.ValidateName("name", name); err != nil {
		return berth.Deployment{}, err
	}
	return s.change(ctx, DeploymentRename, ref, func(tx Tx, d *berth.Deployment) error {
		before := d.Name
		d.Name = name
		return s.event(tx, *d, "", "deployment.renamed", before+" is now named "+name)
	})
}

// RestartElement counts a restart of the element, or of all components, and makes the release that
// carries it out.
func (s *Service) RestartElement(ctx context.Context, ref, identifier string) (berth.Deployment, error) {
	return s.change(ctx, DeploymentRestart, ref, func(tx Tx, d *berth.Deployment) error {
		if d.Desire == berth.DesireStop {
			return berth.Errorf(berth.EConflict, "%s is stopped: berth start %s starts it afresh", d.Slug, d.Slug)
		}
		if d.Desire == berth.DesireSleep {
			s.control.wake(d)
		}
		release, ok, err := complete(tx, d.ID)
		if err != nil {
			return err
		}
		if !ok {
			return berth.Errorf(berth.EConflict, "%s is still being prepared: there is nothing to restart yet", d.Slug)
		}
		restarted, err := toRestart(release, d.Slug, identifier)
		if err != nil {
			return err
		}
		if d.Restarts == nil {
			d.Restarts = map[string]int{}
		}
		for _, e := range restarted {
			d.Restarts[e]++
		}
		if _, err := rerelease(tx, *d, "restart"); err != nil {
			return err
		}
		return s.event(tx, *d, identifier, "deployment.restarted", "restart of "+listed(restarted))
	})
}

func toRestart(r berth.Release, slug, identifier string) ([]string, error) {
	if identifier != "" {
		_, err := element(r, slug, identifier)
		return []string{identifier}, err
	}
	var components []string
	for _, e := range r.Elements {
		if e.Kind == berth.KindComponent {
			components = append(components, e.Identifier)
		}
	}
	if len(components) == 0 {
		return nil, berth.Errorf(berth.EInvalid, "%s has no components: say which element to restart, one of %s", slug, listed(identifiers(r.Elements)))
	}
	return components, nil
}

// StopDeployment ends all instances; network, volumes and hosts stay.
func (s *Service) StopDeployment(ctx context.Context, ref string) (berth.Deployment, error) {
	return s.wish(ctx, DeploymentStop, ref, berth.DesireStop, "deployment.stopped", "stopped")
}

// StartDeployment undoes StopDeployment.
func (s *Service) StartDeployment(ctx context.Context, ref string) (berth.Deployment, error) {
	return s.wish(ctx, DeploymentStart, ref, berth.DesireRun, "deployment.started", "started")
}

func (s *Service) wish(ctx context.Context, verb Verb, ref string, desire berth.Desire, kind, done string) (berth.Deployment, error) {
	return s.change(ctx, verb, ref, func(tx Tx, d *berth.Deployment) error {
		if d.Desire == desire {
			return nil
		}
		if desire == berth.DesireRun {
			s.control.wake(d)
		}
		d.Desire = desire
		return s.event(tx, *d, "", kind, d.Slug+" was "+done)
	})
}

// DeleteDeployment marks it; asking again changes nothing.
func (s *Service) DeleteDeployment(ctx context.Context, ref string) error {
	return s.update(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, DeploymentDelete, ref)
		if err != nil || d.Desire == berth.DesireDelete {
			return err
		}
		d.Desire = berth.DesireDelete
		if err := tx.UpdateDeployment(d); err != nil {
			return err
		}
		return s.event(tx, d, "", "deployment.deleting", d.Slug+" is being deleted")
	})
}

// Describe renders what the newest complete release gives the engine.
func (s *Service) Describe(ctx context.Context, ref, identifier string) (string, error) {
	var elements []berth.ReleaseElement
	err := s.view(ctx, func(tx Tx) error {
		d, err := s.deployment(tx, DeploymentRead, ref)
		if err != nil {
			return err
		}
		release, ok, err := complete(tx, d.ID)
		switch {
		case err != nil:
			return err
		case !ok:
			return berth.Errorf(berth.EConflict, "%s is still being prepared: nothing has been given to the engine yet", d.Slug)
		case identifier == "":
			elements = release.Elements
			return nil
		}
		e, err := element(release, d.Slug, identifier)
		elements = []berth.ReleaseElement{e}
		return err
	})
	if err != nil {
		return "", err
	}
	return s.control.describe(elements)
}

func (c *Control) describe(elements []berth.ReleaseElement) (string, error) {
	var out strings.Builder
	for _, e := range elements {
		text, err := c.Config.Describe(e.Objects)
		if err != nil {
			return "", fmt.Errorf("describe %s: %w", e.Identifier, err)
		}
		fmt.Fprintf(&out, "# %s %s\n%s", e.Kind, e.Identifier, text)
	}
	return out.String(), nil
}
