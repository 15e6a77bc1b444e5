package sqlite

import (
	"strings"

	"github.com/berth-dev/berth"
)

const selectDeployments = `SELECT d.id, d.project, p.name, d.name, d.slug, d.stage, d.kind, d.branch, d.size, d.desire, d.restarts, d.rest, d.created_at
	FROM deployments d JOIN projects p ON p.id = d.project `

func scanDeployment(r row) (d berth.Deployment, err error) {
	err = r.Scan(&d.ID, &d.ProjectID, &d.Project, &d.Name, &d.Slug, &d.Stage, &d.Kind, &d.Branch, &d.Size, &d.Desire,
		jsonInto{&d.Restarts}, jsonInto{&d.Rest}, stampInto{&d.CreatedAt})
	return d, err
}

func noDeployment(ref any) error {
	return berth.Errorf(berth.ENotFound, "there is no deployment %v, or you are not a member of its project", ref)
}

// CreateDeployment stores a new deployment, without its hosts; its zero CreatedAt becomes Now.
func (tx *Tx) CreateDeployment(d berth.Deployment) error {
	if d.CreatedAt.IsZero() {
		d.CreatedAt = tx.now
	}
	if err := tx.touchList(aboutDeployments, d.ID); err != nil {
		return err
	}
	_, err := tx.write("create deployment", "the project has a deployment named "+d.Name+" already",
		`INSERT INTO deployments (id, project, name, slug, stage, kind, branch, size, desire, restarts, rest, created_at)
		 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, d.ProjectID, d.Name, d.Slug, d.Stage, d.Kind, d.Branch, d.Size, d.Desire, jsonOf{d.Restarts}, jsonOf{d.Rest}, stamp(d.CreatedAt))
	return err
}

// UpdateDeployment stores what a person may wish of a deployment: name, branch, size, desire, rest, restarts.
// A wish to delete stays: whatever is written later, nothing undoes it.
func (tx *Tx) UpdateDeployment(d berth.Deployment) error {
	if err := tx.touchList(aboutDeployments, d.ID); err != nil {
		return err
	}
	return tx.change("update deployment", "the project has a deployment named "+d.Name+" already", noDeployment(d.Slug),
		`UPDATE deployments SET name = ?, branch = ?, size = ?, restarts = ?, rest = ?,
		 desire = CASE desire WHEN 'delete' THEN desire ELSE ? END WHERE id = ?`,
		d.Name, d.Branch, d.Size, jsonOf{d.Restarts}, jsonOf{d.Rest}, d.Desire, d.ID)
}

// Deployment finds a deployment by slug, or by its bare name where only one within scope has it.
func (tx *Tx) Deployment(scope berth.Scope, ref string) (berth.Deployment, error) {
	within, args := visible(scope, "d.project")
	found, err := all(tx, "read deployment", scanDeployment,
		selectDeployments+`WHERE (d.slug = ? OR d.name = ?) AND `+within+` ORDER BY d.slug <> ?, d.slug`,
		append(append([]any{ref, ref}, args...), ref)...)
	switch {
	case err != nil:
		return berth.Deployment{}, err
	case len(found) == 0:
		return berth.Deployment{}, noDeployment(ref)
	case len(found) == 1 || found[0].Slug == ref:
		return tx.withHosts(found[0])
	}
	slugs := make([]string, len(found))
	for i, d := range found {
		slugs[i] = d.Slug
	}
	return berth.Deployment{}, berth.Errorf(berth.EInvalid,
		"%d deployments are named %s: say which by its slug, one of %s", len(found), ref, strings.Join(slugs, ", "))
}

// DeploymentByID finds a deployment by id.
func (tx *Tx) DeploymentByID(scope berth.Scope, id berth.ID) (berth.Deployment, error) {
	within, args := visible(scope, "d.project")
	d, err := must(tx, "read deployment", noDeployment(id), scanDeployment,
		selectDeployments+`WHERE d.id = ? AND `+within, append([]any{id}, args...)...)
	if err != nil {
		return d, err
	}
	return tx.withHosts(d)
}

func (tx *Tx) withHosts(d berth.Deployment) (berth.Deployment, error) {
	var err error
	d.Hosts, err = tx.Hosts(d.ID)
	return d, err
}

// Deployments returns those of a project, or with project "" all within scope, by project and name.
func (tx *Tx) Deployments(scope berth.Scope, project berth.ID) ([]berth.Deployment, error) {
	if project != "" {
		if _, err := tx.ProjectByID(scope, project); err != nil {
			return nil, err
		}
	}
	lets, err := tx.lets(scope)
	if err != nil {
		return nil, err
	}
	list, err := tx.store.lists.deployments.within(tx, aboutDeployments, tx.allDeployments)
	return own(list, func(of berth.ID) bool { return (project == "" || of == project) && lets(of) }), err
}

func (tx *Tx) allDeployments() ([]berth.Deployment, error) {
	list, err := all(tx, "list deployments", scanDeployment, selectDeployments+`ORDER BY p.name, d.name`)
	if err != nil {
		return nil, err
	}
	hosts, err := all(tx, "list hosts", scanHost, `SELECT `+hostColumns+` FROM hosts h WHERE h.redirect_to = '' ORDER BY h.rowid`)
	if err != nil {
		return nil, err
	}
	of := make(map[berth.ID][]berth.Host, len(list))
	for _, h := range hosts {
		of[h.Deployment] = append(of[h.Deployment], h)
	}
	for i := range list {
		list[i].Hosts = of[list[i].ID]
	}
	return list, nil
}

// DeleteDeployment forgets a deployment and everything stored of it but its events. A deployment
// that does not exist is no error.
func (tx *Tx) DeleteDeployment(id berth.ID) error {
	if err := tx.touchList(aboutDeployments, id); err != nil {
		return err
	}
	for _, t := range []topic{aboutReleases, aboutObserved} {
		if err := tx.changed(t); err != nil {
			return err
		}
	}
	if _, err := tx.write("delete deployment", "the deployment is in use",
		`DELETE FROM deployments WHERE id = ?`, id); err != nil {
		return err
	}
	tx.store.observed.forget(id)
	return tx.DeleteSecrets(id)
}

// SlugTaken reports whether a deployment has this slug.
func (tx *Tx) SlugTaken(slug string) (bool, error) {
	_, taken, err := one(tx, "look up slug", scanValue[string], `SELECT id FROM deployments WHERE slug = ?`, slug)
	return taken, err
}

// scanValue scans a row of one column.
func scanValue[T any](r row) (v T, err error) {
	err = r.Scan(&v)
	return v, err
}
