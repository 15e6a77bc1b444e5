package ui

import (
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// settingsPage is what seldom changes, and how it ends.
func settingsPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	var hook berth.DeployHook
	if d.Kind == berth.KindBuild {
		if hook, err = q.service.DeployHook(q.ctx, d.Slug); err != nil {
			return screen{}, err
		}
	}
	return screen{title: "Settings of " + d.Slug, place: p, still: settings(q, p, d, hook), cli: "berth show " + d.Slug}, nil
}

func (q *query) settingsAt(word string) string {
	return "/deployments/" + q.path("deployment") + "/settings?done=" + word
}

func rename(q *query) (string, error) {
	_, err := q.service.RenameDeployment(q.ctx, q.path("deployment"), q.form("name"))
	return q.settingsAt("rename"), err
}

func followBranch(q *query) (string, error) {
	_, err := q.service.FollowBranch(q.ctx, q.path("deployment"), strings.TrimSpace(q.form("branch")))
	return q.settingsAt("branch"), err
}

// rests are the times of idleness to choose from.
var rests = []struct {
	value, words string
	after        time.Duration
}{
	{"", "as the server says", 0},
	{"30m", "after 30 minutes", 30 * time.Minute},
	{"2h", "after 2 hours", 2 * time.Hour},
	{"12h", "after 12 hours", 12 * time.Hour},
	{"never", "never by itself", berth.Never},
}

func changeRest(q *query) (string, error) {
	for _, r := range rests {
		if r.value == q.form("after") {
			_, err := q.service.ChangeRest(q.ctx, q.path("deployment"), berth.ChangeRest{After: &r.after})
			return q.settingsAt("saved"), err
		}
	}
	return "", berth.Errorf(berth.EInvalid, "Choose one of the times.")
}

// rotateDeployHook shows the new URL in the answer to this one form.
func rotateDeployHook(q *query) (string, error) {
	_, url, err := q.service.RotateDeployHook(q.ctx, q.path("deployment"))
	q.once = url
	return "", err
}

func deleteDeployHook(q *query) (string, error) {
	return q.settingsAt("ended"), q.service.DeleteDeployHook(q.ctx, q.path("deployment"))
}

// remove deletes a deployment for whoever typed its name: a press is not enough for what cannot be undone.
func remove(q *query) (string, error) {
	d, p, err := q.deployment()
	if err != nil {
		return "", err
	}
	if !p.may(berth.RoleOwner) {
		return "", berth.Errorf(berth.EForbidden, "Deleting is for owners: ask one.")
	}
	if q.form("typed") != d.Slug {
		return "", &berth.Error{Code: berth.EInvalid, Message: "Type " + d.Slug + " to delete it, with all its data."}
	}
	return "/?done=delete", q.service.DeleteDeployment(q.ctx, d.Slug)
}
