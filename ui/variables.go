package ui

import (
	"strings"

	"github.com/berth-dev/berth"
)

// variablesPage is what all elements of all deployments of a project are told.
func variablesPage(q *query) (screen, error) {
	project, p, err := q.project()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.SharedEnvironment(q.ctx, project.Name)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Variables of " + project.Name, place: p, cli: "berth env ls --project " + project.Name, still: variables(q.frame(""), p, list)}, nil
}

func (q *query) variablesAt(word string) string {
	return "/projects/" + q.path("project") + "/variables?done=" + word
}

func setVariable(q *query) (string, error) {
	plain, secret := q.parameter()
	return q.variablesAt("set"), q.service.SetSharedEnvironment(q.ctx, q.path("project"), plain, secret)
}

func unsetVariable(q *query) (string, error) {
	return q.variablesAt("unset"), q.service.UnsetSharedEnvironment(q.ctx, q.path("project"), []string{q.form("name")})
}

// parameter is the value that a form gives, in plain or as a secret.
func (q *query) parameter() (plain map[string]string, secret map[string]berth.Secret) {
	name, value := strings.TrimSpace(q.form("name")), q.form("value")
	if q.form("secret") != "" {
		return nil, map[string]berth.Secret{name: berth.NewSecret(value)}
	}
	return map[string]string{name: value}, nil
}

// projectSettingsPage is what seldom changes of a project, and how it ends.
func projectSettingsPage(q *query) (screen, error) {
	project, p, err := q.project()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.Deployments(q.ctx, project.Name)
	if err != nil {
		return screen{}, err
	}
	hook, err := q.service.Hook(q.ctx, project.Name)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Settings of " + project.Name, place: p, cli: "berth project show " + project.Name,
		still: projectSettings(q, p, project, hook, len(list))}, nil
}

func renameProject(q *query) (string, error) {
	project, err := q.service.RenameProject(q.ctx, q.path("project"), strings.TrimSpace(q.form("name")))
	return "/projects/" + project.Name + "/settings?done=rename", err
}

// rotateHook shows the new secret in the answer to this one form.
func rotateHook(q *query) (string, error) {
	_, secret, err := q.service.RotateHook(q.ctx, q.path("project"))
	q.once = secret
	return "", err
}

func removeProject(q *query) (string, error) {
	project, p, err := q.project()
	if err != nil {
		return "", err
	}
	if !p.may(berth.RoleOwner) {
		return "", berth.Errorf(berth.EForbidden, "Deleting is for owners: ask one.")
	}
	if q.form("typed") != project.Name {
		return "", &berth.Error{Code: berth.EInvalid, Message: "Type " + project.Name + " to delete it."}
	}
	return "/?done=delete", q.service.DeleteProject(q.ctx, project.Name)
}
