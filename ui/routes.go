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
	raw := func(path string, answer func(*query) error) route {
		return route{method: http.MethodGet, path: path, raw: answer}
	}
	post := func(path string, act func(*query) (string, error), on string) route {
		return route{method: http.MethodPost, path: path, act: act, on: on}
	}
	const deployment = "/deployments/{deployment}"
	return []route{
		{method: http.MethodGet, path: "/login", page: loginPage, open: true},
		{method: http.MethodPost, path: "/login", act: logIn, on: "/login", open: true},
		{method: http.MethodPost, path: "/login/password", act: logInByPassword, on: "/login", open: true},
		{method: http.MethodPost, path: "/enter", act: enter, on: "/login", open: true},
		post("/logout", logOut, ""),
		raw("/places", places),

		get("/{$}", projectsPage),
		get("/people", peoplePage),
		post("/people", invite, "/people"),
		post("/people/{person}/role", changeRole, "/people"),
		post("/people/{person}/remove", removePerson, "/people"),
		get("/profile", profilePage),
		post("/profile/password", changePassword, "/profile"),
		post("/profile/logins/others", endOtherLogins, "/profile"),
		post("/profile/logins/{id}", endLogin, "/profile"),
		post("/profile/tokens", createToken, "/profile"),
		post("/profile/tokens/{id}", deleteToken, "/profile"),
		post("/profile/keys", addKey, "/profile"),
		post("/profile/keys/remove", deleteKey, "/profile"),
		get("/server", serverPage),
		get("/guide", guidePage),
		get("/guide/{page}", guidePage),
		get("/packages", packagesPage),
		get("/packages/{name}", packagePage),

		get("/projects/new", newProjectPage),
		post("/projects", createProject, "/projects/new"),
		get("/projects/{project}", projectPage),
		get("/projects/{project}/file", filePage),
		post("/projects/{project}/file", saveFile, "/projects/{project}/file"),
		post("/projects/{project}/file/propose", proposeFile, "/projects/{project}/file"),
		get("/projects/{project}/variables", variablesPage),
		post("/projects/{project}/variables", setVariable, "/projects/{project}/variables"),
		post("/projects/{project}/variables/unset", unsetVariable, "/projects/{project}/variables"),
		get("/projects/{project}/settings", projectSettingsPage),
		post("/projects/{project}/rename", renameProject, "/projects/{project}/settings"),
		post("/projects/{project}/hook", rotateHook, "/projects/{project}/settings"),
		post("/projects/{project}/delete", removeProject, "/projects/{project}/settings"),
		get("/projects/{project}/people", membersPage),
		post("/projects/{project}/people", putMember, "/projects/{project}/people"),
		post("/projects/{project}/people/invite", invite, "/projects/{project}/people"),
		post("/projects/{project}/people/remove", removeMember, "/projects/{project}/people"),
		get("/projects/{project}/deployments/new", newDeploymentPage),
		post("/projects/{project}/deployments", createDeployment, "/projects/{project}/deployments/new"),

		get(deployment, overviewPage),
		post(deployment+"/deploy", deploy, deployment),
		post(deployment+"/rebuild", rebuild, deployment),
		post(deployment+"/restart", restart, deployment),
		post(deployment+"/stop", stop, deployment),
		post(deployment+"/start", start, deployment),
		post(deployment+"/sleep", sleep, deployment),
		post(deployment+"/apply", apply, deployment),
		post(deployment+"/rollback", rollback, deployment),
		get(deployment+"/mail", mailPage),
		get(deployment+"/mail/{mail}", oneMailPage),
		get(deployment+"/events", eventsPage),
		get(deployment+"/settings", settingsPage),
		get(deployment+"/progress", progressPage),
		raw(deployment+"/progress/lines", followProgress),
		get(deployment+"/logs", logsPage),
		raw(deployment+"/logs/lines", followLogs),
		raw(deployment+"/logs/download", downloadLogs),
		get(deployment+"/releases", releasesPage),
		post(deployment+"/promote", promote, deployment+"/releases"),
		get(deployment+"/builds/{build}", buildLogPage),
		raw(deployment+"/builds/{build}/lines", followBuild),
		raw(deployment+"/builds/{build}/download", downloadBuild),
		post(deployment+"/builds/{build}/cancel", cancelBuild, deployment+"/builds/{build}"),
		get(deployment+"/terminal", terminalPage),
		{method: http.MethodPost, path: deployment + "/terminal/ticket", raw: giveTicket},
		raw(deployment+"/terminal/socket", openTerminal),
		get(deployment+"/environment", environmentPage),
		post(deployment+"/environment/set", setParameter, deployment+"/environment"),
		post(deployment+"/environment/unset", unsetParameter, deployment+"/environment"),
		post(deployment+"/environment/reveal", revealParameters, deployment+"/environment"),
		get(deployment+"/domains", domainsPage),
		post(deployment+"/domains", addDomain, deployment+"/domains"),
		post(deployment+"/domains/check", checkDomain, deployment+"/domains"),
		post(deployment+"/domains/delete", removeDomain, deployment+"/domains"),
		post(deployment+"/hosts/protect", protectHosts, deployment+"/domains"),
		post(deployment+"/hosts/open", openHosts, deployment+"/domains"),
		post(deployment+"/branch", followBranch, deployment+"/settings"),
		post(deployment+"/rest", changeRest, deployment+"/settings"),
		post(deployment+"/deploy-hook", rotateDeployHook, deployment+"/settings"),
		post(deployment+"/deploy-hook/delete", deleteDeployHook, deployment+"/settings"),
		post(deployment+"/rename", rename, deployment+"/settings"),
		post(deployment+"/delete", remove, deployment+"/settings"),
	}
}
