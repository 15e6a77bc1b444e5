package ui

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// projectRow is a project with its deployments, as a list shows them.
type projectRow struct {
	berth.Project
	deployments []berth.Deployment
}

// projectsPage is what a person sees first: everything, and whether it is well.
func projectsPage(q *query) (screen, error) {
	rows, all, err := q.projects()
	if err != nil {
		return screen{}, err
	}
	p := place{role: q.caller.Role}
	return screen{title: "Projects", place: p, live: projectList(q, p, rows, all), cli: "berth ls"}, nil
}

func (q *query) projects() (rows []projectRow, all []berth.Deployment, err error) {
	list, err := q.service.Projects(q.ctx)
	if err != nil {
		return nil, nil, err
	}
	if all, err = q.service.Deployments(q.ctx, ""); err != nil {
		return nil, nil, err
	}
	rows = make([]projectRow, len(list))
	for i, p := range list {
		rows[i].Project = p
		for _, d := range all {
			if d.Project == p.Name {
				rows[i].deployments = append(rows[i].deployments, d)
			}
		}
		byStage(rows[i].deployments)
	}
	slices.SortFunc(rows, func(a, b projectRow) int { return strings.Compare(a.Name, b.Name) })
	return rows, all, nil
}

// byStage orders deployments as they matter to others: production first, development last.
func byStage(list []berth.Deployment) {
	rank := func(d berth.Deployment) int {
		switch {
		case d.Stage == "production":
			return 0
		case d.Kind == berth.KindBuild:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b berth.Deployment) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name))
	})
}

// projectPage is one project: its deployments, and where its commits come from.
func projectPage(q *query) (screen, error) {
	project, p, err := q.project()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.Deployments(q.ctx, project.Name)
	if err != nil {
		return screen{}, err
	}
	byStage(list)
	var origin berth.OriginState
	if project.GitURL != "" {
		if origin, err = q.service.OriginState(q.ctx, project.Name); err != nil {
			return screen{}, err
		}
	}
	return screen{title: project.Name, place: p, cli: "berth project show " + project.Name,
		live: projectOverview(q, p, projectRow{project, list}, origin)}, nil
}

// jump is a place that the palette offers.
type jump struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Href string `json:"href"`
}

// places lists all that a person can jump to.
func places(q *query) error {
	rows, _, err := q.projects()
	if err != nil {
		return err
	}
	list := []jump{}
	for _, row := range rows {
		for _, d := range row.deployments {
			list = append(list, jump{d.Slug, "deployment of " + row.Name, "/deployments/" + d.Slug})
		}
		list = append(list, jump{row.Name, "project", "/projects/" + row.Name})
	}
	list = append(list, jump{"Profile", "server", "/profile"}, jump{"New project", "server", "/projects/new"})
	reading, err := q.console.guideEntries()
	if err != nil {
		return err
	}
	for _, e := range reading {
		list = append(list, jump{e.title, "guide", "/guide/" + e.name})
	}
	for _, t := range serverTabs {
		list = append(list, jump{t.name, "server", t.href})
	}
	q.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.w).Encode(list)
}
