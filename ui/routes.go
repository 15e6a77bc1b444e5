package ui

import "net/http"

// route is one address of the console. One of page, act and raw answers.
type route struct {
	method, path string
	page         page
	act          func(q *query) (to string, err error)
	raw          func(q *query) error
	on           string // path of the page that act's form stands on; empty: of none
	open         bool   // also to whom nobody knows
}

// routes is every address, so that a walk over all of them is a walk over this list.
func routes() []route {
	get := func(path string, p page) route { return route{method: http.MethodGet, path: path, page: p} }
	post := func(path string, act func(*query) (string, error), on string) route {
		return route{method: http.MethodPost, path: path, act: act, on: on}
	}
	const deployment = "/deployments/{deployment}"
	return []route{
		{method: http.MethodGet, path: "/login", page: loginPage, open: true},
		{method: http.MethodPost, path: "/login", act: logIn, on: "/login", open: true},
		post("/logout", logOut, ""),
		{method: http.MethodGet, path: "/places", raw: places},

		get("/{$}", projectsPage),
		get("/projects/{project}", projectPage),

		get(deployment, overviewPage),
		post(deployment+"/deploy", deploy, deployment),
		post(deployment+"/rebuild", rebuild, deployment),
		post(deployment+"/restart", restart, deployment),
		post(deployment+"/stop", stop, deployment),
		post(deployment+"/start", start, deployment),
		post(deployment+"/rollback", rollback, deployment),
		get(deployment+"/events", eventsPage),
		get(deployment+"/settings", settingsPage),
		post(deployment+"/rename", rename, deployment+"/settings"),
		post(deployment+"/delete", remove, deployment+"/settings"),
	}
}
