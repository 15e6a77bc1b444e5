package ui

import (
	"strconv"

	"github.com/berth-dev/berth"
)

// done is the page of the deployment that something was done to, with a word on it.
func (q *query) done(word string) string {
	return "/deployments/" + q.path("deployment") + "?done=" + word
}

func deploy(q *query) (string, error) {
	_, err := q.service.Deploy(q.ctx, q.path("deployment"), q.form("commit"))
	return q.done("deploy"), err
}

func rebuild(q *query) (string, error) {
	_, err := q.service.Rebuild(q.ctx, q.path("deployment"))
	return q.done("rebuild"), err
}

func restart(q *query) (string, error) {
	_, err := q.service.RestartElement(q.ctx, q.path("deployment"), q.form("element"))
	return q.done("restart"), err
}

func stop(q *query) (string, error) {
	_, err := q.service.StopDeployment(q.ctx, q.path("deployment"))
	return q.done("stop"), err
}

func start(q *query) (string, error) {
	_, err := q.service.StartDeployment(q.ctx, q.path("deployment"))
	return q.done("start"), err
}

func sleep(q *query) (string, error) {
	_, err := q.service.SleepDeployment(q.ctx, q.path("deployment"))
	return q.done("sleep"), err
}

func apply(q *query) (string, error) {
	_, err := q.service.Apply(q.ctx, q.path("deployment"))
	return q.done("apply"), err
}

func rollback(q *query) (string, error) {
	revision := 0
	if text := q.form("revision"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return "", berth.Errorf(berth.EInvalid, "%q is no release", text)
		}
		revision = n
	}
	_, err := q.service.Rollback(q.ctx, q.path("deployment"), revision)
	return q.done("rollback"), err
}
