package ui

import (
	"net/url"
	"strings"

	"github.com/a-h/templ"
	"github.com/berth-dev/berth"
)

// page makes what a person is shown. Of a live page it is asked again whenever something changed.
type page func(q *query) (screen, error)

// screen is one page.
type screen struct {
	title string
	place place
	// live is the part that changes by itself; about says by changes of which deployments (nil: of any).
	live  templ.Component
	about []berth.ID
	// soon: what is about to change is announced by nobody, so that the page looks again in a moment.
	soon bool
	// still is the rest: forms, which must not change under the hands of who fills them in.
	still templ.Component
	// above has still before live.
	above bool
	// cli is what does the same on the command line.
	cli string
	// scripts and styles are further assets that the page needs.
	scripts, styles []string
	// bare pages have no header: nobody is logged in.
	bare     bool
	redirect string
}

// place is where in the console a page is.
type place struct {
	project    string
	deployment string // slug
	name       string // of the deployment
	tab        string // address of the current one
	role       berth.Role
}

// tab is one way on.
type tab struct{ name, icon, href string }

func (p place) tabs() []tab {
	switch {
	case p.deployment != "":
		at := "/deployments/" + p.deployment
		return offered(deploymentTabs, at)
	case p.project != "":
		return offered(projectTabs, "/projects/"+p.project)
	}
	return offered(serverTabs, "")
}

func offered(tabs []tab, below string) []tab {
	list := make([]tab, len(tabs))
	for i, t := range tabs {
		list[i] = tab{t.name, t.icon, below + t.href}
	}
	return list
}

var serverTabs = []tab{
	{"Projects", "box", "/"},
	{"Packages", "layers", "/packages"},
	{"Guide", "book", "/guide"},
	{"People", "people", "/people"},
	{"Server", "server", "/server"},
}

var projectTabs = []tab{
	{"Deployments", "server", ""},
	{"Project file", "lines", "/file"},
	{"Variables", "settings", "/variables"},
	{"People", "people", "/people"},
	{"Settings", "settings", "/settings"},
}

var deploymentTabs = []tab{
	{"Overview", "activity", ""},
	{"Logs", "lines", "/logs"},
	{"Terminal", "terminal", "/terminal"},
	{"Releases", "layers", "/releases"},
	{"Environment", "settings", "/environment"},
	{"Domains", "globe", "/domains"},
	{"Mail", "mail", "/mail"},
	{"Events", "clock", "/events"},
	{"Settings", "settings", "/settings"},
}

// may reports whether the caller's role in this place allows what needs another.
func (p place) may(needed berth.Role) bool { return p.role.Includes(needed) }

// frame is what all pages have around them.
type frame struct {
	title   string
	theme   string
	person  string
	role    berth.Role
	proof   string
	version string
	path    string
	said    string
	problem string
	asset   func(string) string
}

// listens is the address of a page's live region.
func (f frame) listens() string {
	path, asked, _ := strings.Cut(f.path, "?")
	values, _ := url.ParseQuery(asked) // what cannot be read was not ours
	values.Del("done")
	values.Set(buildField, f.version)
	return path + "?" + values.Encode()
}

func (q *query) frame(title string) frame {
	f := frame{title: title, person: q.caller.Name, role: q.caller.Role, version: q.console.Version,
		path: q.address, said: said[q.asked("done")], asset: q.console.assets.url}
	if !q.login.cookie.Empty() {
		f.proof = q.login.proof()
	}
	if cookie, err := q.r.Cookie(themeCookie); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		f.theme = cookie.Value
	}
	if q.problem != nil {
		f.problem = berth.MessageOf(q.problem)
	}
	return f
}

// said is what a page says after something was done, by the word in its address.
var said = map[string]string{
	"deploy":    "A release has begun. This page shows how it gets on.",
	"rebuild":   "All images are built anew. This page shows how it gets on.",
	"restart":   "The restart has begun.",
	"stop":      "It is being stopped. Data, hosts and settings stay.",
	"start":     "It is being started.",
	"sleep":     "It goes to sleep. The next request, shell or command wakes it.",
	"apply":     "The project file is carried out. This page shows how it gets on.",
	"rollback":  "The release that served before takes over again.",
	"promote":   "A release of the same images has begun.",
	"delete":    "It is being deleted.",
	"rename":    "It has another name now. Its address stays.",
	"saved":     "Saved.",
	"project":   "The project is there. This is what Berth would run; change what is wrong, then make a deployment.",
	"proposed":  "Berth looked into the newest commit.",
	"role":      "The role counts at once, also for what is under way.",
	"person":    "They are out: tokens, logins and all that streamed have ended.",
	"ended":     "It has ended.",
	"password":  "The password is another one. Your other logins have ended.",
	"key":       "The key opens SSH from now on.",
	"set":       "Saved. A release carries the change out.",
	"unset":     "Taken away. A release carries the change out.",
	"domain":    "The domain is noted. Create the DNS record below; it is looked for by itself.",
	"protected": "From now on visitors are asked.",
	"opened":    "Everybody may ask again.",
	"branch":    "It follows another branch, whose newest commit is being deployed.",
	"checked":   "The DNS was asked again.",
	"undomain":  "The domain is gone.",
	"cancel":    "The build is being cancelled.",
	"create":    "It is being created. This page shows how it gets on.",
}
