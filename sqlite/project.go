package sqlite

import "github.com/berth-dev/berth"

const projectColumns = `id, name, git_url, git_token, default_branch, stages, deleting, created_at, access, deploy_key, protected`

func scanProject(r row) (p berth.Project, err error) {
	err = r.Scan(&p.ID, &p.Name, &p.GitURL, &p.GitToken, &p.DefaultBranch, jsonInto{&p.Stages}, &p.Deleting, stampInto{&p.CreatedAt},
		jsonInto{&p.Access}, &p.DeployKey, jsonInto{&p.Protected})
	return p, err
}

func noProject(name any) error {
	return berth.Errorf(berth.ENotFound, "there is no project %v, or you are not a member of it", name)
}

// CreateProject stores a new project; its zero CreatedAt becomes Now.
func (tx *Tx) CreateProject(p berth.Project) error {
	if p.CreatedAt.IsZero() {
		p.CreatedAt = tx.now
	}
	tx.touch("")
	_, err := tx.write("create project", "there is a project named "+p.Name+" already",
		`INSERT INTO projects (`+projectColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.ID, p.Name, p.GitURL, p.GitToken, p.DefaultBranch, jsonOf{p.Stages}, p.Deleting, stamp(p.CreatedAt), jsonOf{p.Access}, p.DeployKey, jsonOf{p.Protected})
	return err
}

// UpdateProject stores everything of p but its id and creation time.
func (tx *Tx) UpdateProject(p berth.Project) error {
	if err := tx.touchList(aboutDeployments, ""); err != nil {
		return err
	}
	return tx.change("update project", "there is a project named "+p.Name+" already", noProject(p.Name),
		`UPDATE projects SET name = ?, git_url = ?, git_token = ?, default_branch = ?, stages = ?, deleting = ?, access = ?, deploy_key = ?, protected = ? WHERE id = ?`,
		p.Name, p.GitURL, p.GitToken, p.DefaultBranch, jsonOf{p.Stages}, p.Deleting, jsonOf{p.Access}, p.DeployKey, jsonOf{p.Protected}, p.ID)
}

// Project finds a project by name.
func (tx *Tx) Project(scope berth.Scope, name string) (berth.Project, error) {
	within, args := visible(scope, "id")
	return must(tx, "read project", noProject(name), scanProject,
		`SELECT `+projectColumns+` FROM projects WHERE name = ? AND `+within, append([]any{name}, args...)...)
}

// ProjectByID finds a project by id.
func (tx *Tx) ProjectByID(scope berth.Scope, id berth.ID) (berth.Project, error) {
	within, args := visible(scope, "id")
	return must(tx, "read project", noProject(id), scanProject,
		`SELECT `+projectColumns+` FROM projects WHERE id = ? AND `+within, append([]any{id}, args...)...)
}

// Projects returns those within scope by name.
func (tx *Tx) Projects(scope berth.Scope) ([]berth.Project, error) {
	within, args := visible(scope, "id")
	return all(tx, "list projects", scanProject,
		`SELECT `+projectColumns+` FROM projects WHERE `+within+` ORDER BY name`, args...)
}

// DeleteProject forgets a project, its memberships and secrets. It is EConflict while the project
// has deployments, and no error when there is no such project.
func (tx *Tx) DeleteProject(id berth.ID) error {
	tx.touch("")
	if _, err := tx.write("delete project", "the project has deployments: delete them first",
		`DELETE FROM projects WHERE id = ?`, id); err != nil {
		return err
	}
	return tx.DeleteSecrets(id)
}
