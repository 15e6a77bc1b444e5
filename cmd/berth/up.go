package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
	"github.com/spf13/cobra"
)

// up is one run of berth up.
type up struct {
	*app
	berth.Service
	source  string // a directory, or the URL of a repository
	name    string // of the project
	stage   string
	token   string // "-": one on stdin opens the repository
	yes     bool
	asJSON  bool
	timeout time.Duration
	steps   *progress
}

func (a *app) upCommand() *cobra.Command {
	u := up{app: a}
	c := jsonFlag(leaf("up [DIR|GIT-URL]", "Bring a repository and deploy it, from nothing to answering URLs", cobra.MaximumNArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			u.Service, u.steps = s, a.progress()
			if u.source = optional(args, 0); u.source == "" {
				u.source = "."
			}
			return u.run(ctx)
		})), &u.asJSON)
	c.Long = `Bring a repository and deploy it: a directory of this machine (default: the one you are in), or a Git URL.

The project is made where there is none of that name, else it gets the new commits. A repository without a diploi.yaml is
looked into, and the file that Berth proposes is shown with what was found, what is guessed and what is missing. Then Berth
asks, unless you say --yes, deploys, waits and asks every host for its first page.

Exit code 0: every host answered. 1: something failed. 2: there was a question and no terminal to ask. 124: time was up.`
	flags := c.Flags()
	flags.StringVar(&u.stage, "stage", "development", "stage: development, staging, production, or one of the project's own")
	flags.StringVar(&u.name, "name", "", "name of the project (default: the directory's or the repository's)")
	flags.StringVar(&u.token, "token", "", "- reads from stdin a token that opens the repository over HTTPS; goes with --yes")
	flags.BoolVarP(&u.yes, "yes", "y", false, "do not ask")
	flags.DurationVar(&u.timeout, "timeout", 30*time.Minute, "how long to wait for the release")
	return c
}

// upResult is what --json prints.
type upResult struct {
	Project    berth.Project     `json:"project"`
	File       berth.ProjectFile `json:"file"`
	Deployment *shown            `json:"deployment,omitempty"`
	Steps      []stepTime        `json:"steps"`
	Seconds    float64           `json:"seconds"`
}

func (u *up) run(ctx context.Context) error {
	p, made, err := u.bring(ctx)
	if err != nil {
		return err
	}
	if p, err = u.awaitAccess(ctx, u.Service, p, accessWait{timeout: u.timeout}); err != nil {
		return err
	}
	u.steps.begin("looking into the repository")
	file, err := u.ProposeProjectFile(ctx, p.Name, "")
	if err != nil {
		if made && berth.CodeOf(err) == berth.EInvalid { // nothing can come of it; whatever else is in the way may pass
			err = errors.Join(err, u.DeleteProject(context.WithoutCancel(ctx), p.Name))
		}
		return err
	}
	u.steps.end()
	if err := u.agreed(p, file); err != nil {
		return err
	}
	d, revision, err := u.deploy(ctx, p, file)
	if err != nil {
		return err
	}
	if d, err = u.awaitRelease(ctx, u.Service, d.Slug, revision, u.timeout, u.steps); err != nil {
		return err
	}
	d.Hosts = hostsOf(d)
	if err := u.awaitAnswers(ctx, d.Hosts); err != nil {
		return err
	}
	u.steps.end()
	return u.done(p, file, d)
}

// bring makes the project, or brings the new commits of the source into it.
func (u *up) bring(ctx context.Context) (p berth.Project, made bool, err error) {
	remote := strings.Contains(u.source, "://") || strings.HasPrefix(u.source, "git@")
	if u.name == "" {
		if u.name, err = u.nameOf(remote); err != nil {
			return p, false, err
		}
	}
	p, err = u.Project(ctx, u.name)
	switch {
	case berth.CodeOf(err) == berth.ENotFound && remote:
		u.steps.begin("fetching " + u.source)
		n := berth.NewProject{Name: u.name, GitURL: u.source}
		if n.GitToken, err = u.tokenFrom(u.token); err != nil {
			return p, false, err
		}
		p, err = u.CreateProject(ctx, n)
		return p, true, err
	case berth.CodeOf(err) == berth.ENotFound:
		u.steps.begin("bringing the commits")
		p, err = u.createProject(ctx, u.Service, berth.NewProject{Name: u.name}, u.source)
		return p, true, err
	case err != nil:
		return p, false, err
	case remote && !sameRepository(p.GitURL, u.source), !remote && p.GitURL != "":
		return p, false, berth.Errorf(berth.EConflict, "there is a project %s already, from %s: choose another name with --name", p.Name, source(p))
	case remote:
		return p, false, nil // its commits are fetched before they are looked into
	}
	if err := u.related(ctx, p); err != nil {
		return p, false, err
	}
	u.steps.begin("bringing the commits")
	p, err = u.withBundle(ctx, u.source, func(bundle io.Reader) (berth.Project, error) {
		return u.ImportRepository(ctx, p.Name, bundle)
	})
	return p, false, err
}

// nameOf is the source's own name, made valid.
func (u *up) nameOf(remote bool) (string, error) {
	if !remote {
		dir, err := realDirectory(u.source)
		return berth.NameFrom(filepath.Base(dir)), err
	}
	address := u.source
	if parsed, err := url.Parse(address); err == nil {
		address = parsed.Path
	}
	return berth.NameFrom(strings.TrimSuffix(path.Base(address), ".git")), nil
}

func sameRepository(a, b string) bool {
	plain := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "/"), ".git") }
	return plain(a) == plain(b)
}

// related refuses a repository that does not have what the project's own has: bringing its commits would
// put them in the place of somebody's.
func (u *up) related(ctx context.Context, p berth.Project) error {
	dir, err := realDirectory(u.source)
	if err != nil {
		return err
	}
	g := git{dir: dir}
	file, err := u.ProjectFile(ctx, p.Name, "")
	if err != nil || file.Commit == "" || !g.isTop(ctx) {
		return nil // there is nothing to lose yet, or nothing to compare
	}
	if _, err := g.output(ctx, "cat-file", "-e", file.Commit+"^{commit}"); err != nil {
		return berth.Errorf(berth.EConflict, "project %s holds commit %s, which %s does not have: if that is another repository, choose another name with --name; "+
			"else bring its commits here first, or put yours in their place with berth project update %s --dir %s", p.Name, short(file.Commit), dir, p.Name, u.source)
	}
	return nil
}

// agreed shows the file and asks.
func (u *up) agreed(p berth.Project, file berth.ProjectFile) error {
	shown := u.err
	if !u.asJSON {
		shown = u.out
	}
	fmt.Fprintf(shown, "Project %s, branch %s at %s: %s.\n", p.Name, clean(file.Branch), short(file.Commit), fileOrigin(p, file))
	if file.Origin == berth.FileProposed {
		fmt.Fprintln(shown)
		u.printFile(shown, file)
		fmt.Fprintln(shown)
	}
	if u.yes {
		return nil
	}
	if !u.terminal.in {
		if u.asJSON {
			if err := u.printJSON(upResult{Project: p, File: file, Steps: u.steps.took, Seconds: u.now().Sub(u.steps.began).Seconds()}); err != nil {
				return err
			}
		}
		return &exit{exitUnanswered, fmt.Sprintf("nothing runs yet. berth up --yes goes on; berth project file %s prints the file, and with --set FILE replaces it", p.Name)}
	}
	fmt.Fprintf(u.err, "Deploy this to %s? [y/N] ", u.stage)
	line, err := bufio.NewReader(u.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	return &exit{exitFailed, fmt.Sprintf("nothing was deployed. The project %s stays: berth project file %s --set FILE changes what Berth would do, berth project rm %s removes it", p.Name, p.Name, p.Name)}
}

// deploy makes the deployment of the stage, or a new release of it, and returns the release's revision.
func (u *up) deploy(ctx context.Context, p berth.Project, file berth.ProjectFile) (d berth.Deployment, revision int, err error) {
	d, there, err := u.deploymentOf(ctx, p)
	if err != nil {
		return d, 0, err
	}
	if !there {
		u.steps.begin("creating " + u.stage)
		d, err = u.CreateDeployment(ctx, p.Name, berth.NewDeployment{Name: u.stage, Stage: u.stage, Branch: file.Branch})
		return d, newest(d), err
	}
	if d.Phase == berth.PhaseStopped || d.Phase == berth.PhaseSleeping {
		u.steps.begin("starting " + d.Slug)
		if d, err = u.StartDeployment(ctx, d.Slug); err != nil {
			return d, 0, err
		}
	}
	if d.Kind == berth.KindDevelopment {
		return u.resume(ctx, d)
	}
	u.steps.begin("deploying " + short(file.Commit))
	r, err := u.Deploy(ctx, d.Slug, file.Commit)
	return d, r.Revision, err
}

// resume goes on with a development deployment, whose working tree no new commit changes.
func (u *up) resume(ctx context.Context, d berth.Deployment) (berth.Deployment, int, error) {
	u.say("%s runs its working tree, which new commits do not change: pull them there.", d.Slug)
	d, err := u.Deployment(ctx, d.Slug)
	if err != nil || len(d.Releases) == 0 || d.Releases[0].State != berth.ReleaseFailed {
		return d, newest(d), err
	}
	u.steps.begin("trying again")
	d, err = u.RestartElement(ctx, d.Slug, "")
	return d, newest(d), err
}

// deploymentOf finds the project's deployment of the stage: the only one, or the one of its name.
func (u *up) deploymentOf(ctx context.Context, p berth.Project) (found berth.Deployment, there bool, err error) {
	list, err := u.Deployments(ctx, p.Name)
	if err != nil {
		return found, false, err
	}
	var slugs []string
	for _, d := range list {
		if d.Stage != u.stage {
			continue
		}
		if d.Name == u.stage {
			return d, true, nil
		}
		found, there = d, true
		slugs = append(slugs, d.Slug)
	}
	if len(slugs) > 1 {
		return found, false, berth.Errorf(berth.EConflict, "project %s has %d deployments of stage %s (%s): berth project update %s and berth deploy choose among them",
			p.Name, len(slugs), u.stage, strings.Join(slugs, ", "), p.Name)
	}
	return found, there, nil
}

// hostsOf are the hosts of elements that run: those of one that has left the stack are kept for its return.
func hostsOf(d berth.Deployment) (hosts []berth.Host) {
	for _, h := range d.Hosts {
		if slices.ContainsFunc(d.Elements, func(e berth.ElementStatus) bool { return e.Identifier == h.Element }) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// answering is how long a host of a release that serves may take to answer.
const answering = time.Minute

// awaitAnswers asks every host until it answers as an application does.
func (u *up) awaitAnswers(ctx context.Context, hosts []berth.Host) error {
	if len(hosts) == 0 {
		return nil
	}
	u.steps.begin("asking its hosts")
	ca, err := u.CA(ctx)
	if err != nil {
		return err
	}
	who, err := u.Whoami(ctx)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := u.awaitAnswer(ctx, h.URL, ca, who.Address); err != nil {
			return err
		}
	}
	return nil
}

func (u *up) awaitAnswer(ctx context.Context, url, ca, near string) error {
	var last error
	err := u.until(ctx, min(answering, u.timeout), func(ctx context.Context) (bool, error) {
		status, err := u.answer(ctx, url, ca, near)
		if err == nil && status >= http.StatusInternalServerError {
			err = berth.Errorf(berth.EUnavailable, "%s answers with status %d", url, status)
		}
		if ctx.Err() == nil {
			last = err
		}
		return err == nil, err
	})
	if errors.Is(err, errTimeout) && last != nil {
		return &exit{exitFailed, last.Error() + "\nberth logs and berth status say more."}
	}
	return err
}

// askHost reaches a host by its name or, where nobody here knows it, at the server: near, behind a socket.
func (a *app) askHost(ctx context.Context, address, ca, near string) (int, error) {
	config, err := a.server()
	if err != nil {
		return 0, err
	}
	reach := client.Reach{CA: ca, Server: cmp.Or(near, "127.0.0.1")}
	if u, err := url.Parse(config.URL); err == nil && config.URL != "" {
		reach.Server = u.Hostname()
	}
	return reach.Answer(ctx, address)
}

// done prints the URLs, and how long each step took.
func (u *up) done(p berth.Project, file berth.ProjectFile, d berth.Deployment) error {
	total := u.now().Sub(u.steps.began).Seconds()
	if u.asJSON {
		s := shownOf(d)
		return u.printJSON(upResult{Project: p, File: file, Deployment: &s, Steps: u.steps.took, Seconds: total})
	}
	rows := make([][]cell, 0, len(u.steps.took)+1)
	for _, t := range u.steps.took {
		rows = append(rows, row(fmt.Sprintf("%7.1fs", t.Seconds), t.Step))
	}
	u.say("")
	u.table(u.err, nil, append(rows, []cell{{fmt.Sprintf("%7.1fs", total), bold}, {"in all", bold}}))
	fmt.Fprintf(u.out, "%s answers:\n", d.Slug)
	u.printHosts(d)
	return nil
}
