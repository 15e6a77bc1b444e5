package main

import (
	"context"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func (f *fakeService) domain(project, name string) (berth.Domain, error) {
	f.domains = append(f.domains, project+" "+name)
	return berth.Domain{Name: berth.ParentDomain(name), Project: project, State: berth.DomainWaits, Message: "create the record TXT"}, f.failing
}

func (f *fakeService) AddProjectDomain(_ context.Context, project, name string) (berth.Domain, error) {
	return f.domain(project, name)
}

func (f *fakeService) CheckProjectDomain(_ context.Context, project, name string) (berth.Domain, error) {
	return f.domain(project, name)
}

func (f *fakeService) DeleteProjectDomain(_ context.Context, project, name string) error {
	_, err := f.domain(project, name)
	return err
}

func (f *fakeService) ProjectDomains(_ context.Context, project string) ([]berth.Domain, error) {
	d, err := f.domain(project, "apps.example.com")
	return []berth.Domain{d}, err
}

func TestDomainsOfAProject(t *testing.T) {
	c := newCLI(t)
	for _, verb := range []string{"add", "check", "rm", "ls"} {
		args := []string{"domain", verb, "--project", "shop", "apps.example.com"}
		if verb == "ls" {
			args = args[:4]
		}
		if code := c.do(t, args...); code != 0 || !strings.Contains(c.out.String(), "apps.example.com") {
			t.Errorf("%s: %d %s%s", verb, code, c.out, c.err)
		}
		if got := c.service.domains[len(c.service.domains)-1]; got != "shop apps.example.com" {
			t.Errorf("%s asked for %q", verb, got)
		}
		if verb == "add" && !strings.Contains(c.out.String(), "berth domain check --project shop apps.example.com looks now") {
			t.Errorf("%s", c.out)
		}
	}
	c.mustFail(t, exitFailed, "arg", "domain", "add", "--project", "shop", "main-shop", "apps.example.com")
	c.mustFail(t, exitFailed, "www", "domain", "add", "--project", "shop", "apps.example.com", "--www")
}
