package ui

import (
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

// newProjectPage asks where a project's commits come from.
func newProjectPage(q *query) (screen, error) {
	p := place{role: q.caller.Role}
	return screen{title: "New project", place: p, cli: "berth up https://github.com/you/your-repository",
		still: newProject(q.frame(""), p, q.form("name"), q.form("git"), q.form("own") != "")}, nil
}

func createProject(q *query) (string, error) {
	n := berth.NewProject{Name: strings.TrimSpace(q.form("name")), GitURL: strings.TrimSpace(q.form("git"))}
	if token := q.form("token"); token != "" {
		n.GitToken = berth.NewSecret(token)
	}
	if q.form("own") != "" {
		n.GitURL, n.GitToken = "", berth.Secret{}
	} else if n.GitURL == "" {
		return "", &berth.Error{Code: berth.EInvalid, Field: "gitUrl", Message: "give the repository's URL, or choose a repository on this server"}
	}
	if n.Name == "" {
		n.Name = nameOf(n.GitURL)
	}
	project, err := q.service.CreateProject(q.ctx, n)
	if err != nil {
		return "", err
	}
	if project.GitURL == "" || project.Access.Waiting != "" {
		return "/projects/" + project.Name, nil
	}
	// What Berth makes of the repository is shown next; where it finds nothing, that page says so.
	_, _ = q.service.ProposeProjectFile(q.ctx, project.Name, "")
	return "/projects/" + project.Name + "/file?done=project", nil
}

// nameOf suggests a project's name from its repository's.
func nameOf(gitURL string) string {
	last := strings.TrimSuffix(strings.TrimRight(gitURL, "/"), ".git")
	last = strings.ToLower(last[strings.LastIndexAny(last, "/:")+1:])
	var out strings.Builder
	for _, r := range last {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			out.WriteRune(r)
		} else {
			out.WriteByte('-')
		}
	}
	name := strings.Join(strings.FieldsFunc(out.String(), func(r rune) bool { return r == '-' }), "-")
	name = strings.TrimLeft(name, "0123456789-")
	return strings.Trim(name[:min(len(name), 40)], "-")
}

// filePage is the file that describes a project, and why each line of it is there.
func filePage(q *query) (screen, error) {
	project, p, err := q.project()
	if err != nil {
		return screen{}, err
	}
	file, err := q.service.ProjectFile(q.ctx, project.Name, "")
	if err != nil && berth.CodeOf(err) != berth.EInvalid && berth.CodeOf(err) != berth.ENotFound {
		return screen{}, err
	}
	unreadable := berth.MessageOf(err)
	if text := q.form("text"); text != "" && q.problem != nil {
		file.Text = text // what was refused is not lost
	}
	return screen{title: "Project file of " + project.Name, place: p, still: projectFile(q, p, project, file, unreadable),
		cli: "berth project file " + project.Name}, nil
}

// project finds the one that a page is about, and where that is.
func (q *query) project() (berth.Project, place, error) {
	project, err := q.service.Project(q.ctx, q.path("project"))
	if err != nil {
		return project, place{}, err
	}
	role, err := q.role(project.Name)
	return project, place{project: project.Name, role: role}, err
}

func (q *query) fileAt(word string) string {
	return "/projects/" + q.path("project") + "/file?done=" + word
}

func saveFile(q *query) (string, error) {
	_, err := q.service.SetProjectFile(q.ctx, q.path("project"), strings.ReplaceAll(q.form("text"), "\r\n", "\n"))
	return q.fileAt("saved"), err
}

func proposeFile(q *query) (string, error) {
	_, err := q.service.ProposeProjectFile(q.ctx, q.path("project"), "")
	return q.fileAt("proposed"), err
}

// newDeploymentPage asks what a deployment is for.
func newDeploymentPage(q *query) (screen, error) {
	project, p, err := q.project()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.Deployments(q.ctx, project.Name)
	if err != nil {
		return screen{}, err
	}
	branches := []string{project.DefaultBranch}
	for _, d := range list {
		if !slices.Contains(branches, d.Branch) {
			branches = append(branches, d.Branch)
		}
	}
	p.tab = "/projects/" + project.Name
	stage := q.form("stage")
	if stage == "" && len(project.Stages) > 0 {
		stage = project.Stages[0].Identifier
	}
	cli := "berth create " + project.Name + " --name NAME --stage " + stage
	return screen{title: "New deployment of " + project.Name, place: p, cli: cli, still: newDeployment(q, p, project, branches, stage)}, nil
}

func createDeployment(q *query) (string, error) {
	n := berth.NewDeployment{Name: strings.TrimSpace(q.form("name")), Stage: q.form("stage"), Branch: strings.TrimSpace(q.form("branch")), Size: berth.Size(q.form("size"))}
	for line := range strings.Lines(q.form("set")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || !strings.Contains(key, ".") {
			return "", &berth.Error{Code: berth.EInvalid, Field: "parameters", Message: "write one a line, like web.LOG_LEVEL=debug"}
		}
		if n.Set == nil {
			n.Set = map[string]string{}
		}
		n.Set[strings.TrimSpace(key)] = value
	}
	d, err := q.service.CreateDeployment(q.ctx, q.path("project"), n)
	if err != nil {
		return "", err
	}
	return "/deployments/" + url.PathEscape(d.Slug) + "/progress", nil
}

// progressPage is the way of a deployment's newest release, from the clone to the first answer.
func progressPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	builds, err := q.service.Builds(q.ctx, d.Slug)
	if err != nil {
		return screen{}, err
	}
	p.tab = "/deployments/" + d.Slug
	return screen{title: "Progress of " + d.Slug, place: p, about: []berth.ID{d.ID}, soon: beingLed(d.Releases), cli: "berth wait " + d.Slug + " --for running",
		live: progress(q, d, stepsOf(d, builds)), still: progressLog(d), scripts: []string{"logs.js"}}, nil
}

// step is a part of a release's way.
type step struct {
	name, note  string
	look        string // done, now, bad or todo
	time        string
	link, about string
}

// followProgress streams the log of whatever a release is about: its builds one after another, then its containers.
func followProgress(q *query) error {
	if _, err := q.service.Deployment(q.ctx, q.path("deployment")); err != nil {
		return err
	}
	q.pump(func(ctx context.Context) iter.Seq2[shownLine, error] {
		return func(yield func(shownLine, error) bool) {
			changes := q.console.Changes(ctx)
			seen := map[berth.ID]bool{}
			for {
				next, more, err := q.nextBuild(ctx, seen)
				if err != nil {
					yield(shownLine{}, err)
					return
				}
				if next.ID != "" {
					seen[next.ID] = true
					if !q.readBuild(ctx, next, yield) {
						return
					}
					continue
				}
				if !more {
					break
				}
				if _, open := <-changes; !open {
					return
				}
			}
			for line, err := range q.service.Logs(ctx, q.path("deployment"), berth.LogQuery{Tail: tail, Follow: true}) {
				if !yield(shownLine{From: line.Element, Stream: line.Stream, Text: line.Text}, err) {
					return
				}
			}
		}
	})
	return nil
}

// nextBuild finds a build of the newest release whose log has not been shown; more is false when there will be none.
func (q *query) nextBuild(ctx context.Context, seen map[berth.ID]bool) (next berth.Build, more bool, err error) {
	d, err := q.service.Deployment(ctx, q.path("deployment"))
	if err != nil || len(d.Releases) == 0 {
		return next, true, err
	}
	builds, err := q.service.Builds(ctx, d.Slug)
	if err != nil {
		return next, false, err
	}
	for _, b := range ofRelease(builds, d.Releases[0]) {
		if !seen[b.ID] && b.State != berth.BuildQueued {
			return b, true, nil
		}
	}
	s := d.Releases[0].State
	return next, s == berth.ReleasePending || s == berth.ReleaseBuilding, nil
}

func (q *query) readBuild(ctx context.Context, b berth.Build, yield func(shownLine, error) bool) bool {
	if !yield(shownLine{Text: "\x1b[1mBuild of " + b.Element + "\x1b[0m"}, nil) {
		return false
	}
	for line, err := range q.buildLines(ctx, b.ID) {
		line.From = b.Element
		if berth.CodeOf(err) == berth.ENotFound {
			return true // it was not begun, or has been forgotten
		}
		if !yield(line, err) {
			return false
		}
	}
	return true
}

func ofRelease(list []berth.Build, r berth.Release) (builds []berth.Build) {
	for _, b := range list {
		if b.Release == r.ID {
			builds = append(builds, b)
		}
	}
	slices.SortFunc(builds, func(a, b berth.Build) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return builds
}

var noteStates = map[berth.NoteKind]state{
	berth.NoteFound:   {"Found", "check", "green", false},
	berth.NoteGuessed: {"Guessed", "info", "blue", false},
	berth.NoteMissing: {"Missing", "alert", "yellow", false},
}

// fileWords says where a project's file comes from.
func fileWords(f berth.ProjectFile) string {
	switch f.Origin {
	case berth.FileCommitted:
		return "The repository has its own, at " + f.Branch + ": change it there, and push."
	case berth.FileProposed:
		return "Berth proposes this from what it found in the repository. It keeps it until somebody commits one."
	case berth.FileWritten:
		return "Somebody gave this to Berth, which keeps it until one is committed."
	}
	return "It says which elements the project has. Berth can look into the repository and propose one."
}

func noNotes(f berth.ProjectFile) string {
	if f.Origin == berth.FileCommitted {
		return "Its authors know: it is in the repository."
	}
	return "Notes show here when Berth has proposed a file."
}
