package sshd

import (
	"context"
	"strings"

	"github.com/berth-dev/berth"
)

// git serves a repository to who came as git@, and nothing else.
func (s *session) git(ctx context.Context, p berth.Process) (berth.Exit, error) {
	service, project, ok := gitCommand(p.Command)
	if p.Kind != berth.ProcessCommand || !ok {
		return berth.Exit{}, berth.Errorf(berth.EInvalid, "hello %s: git@ leads to repositories only, as in git clone ssh://git@SERVER:PORT/PROJECT; a deployment's name in its place leads to a shell", s.caller.Name)
	}
	if err := s.ran(ctx, service+" of "+project); err != nil {
		return berth.Exit{}, err
	}
	err := s.server.Repositories.Serve(ctx, s.caller, service, project, p.Env["GIT_PROTOCOL"], s.channel, s.channel)
	return berth.Exit{}, err
}

// gitCommand reads what git asks for: git-upload-pack 'PROJECT.git', or with a space for the first hyphen.
func gitCommand(line string) (service, project string, ok bool) {
	line, spaced := strings.CutPrefix(line, "git ")
	if spaced {
		line = "git-" + line
	}
	service, path, found := strings.Cut(line, " ")
	if !found || service != "git-upload-pack" && service != "git-receive-pack" {
		return "", "", false
	}
	path = strings.TrimSpace(path)
	if quoted, is := strings.CutPrefix(path, "'"); is {
		if path, is = strings.CutSuffix(quoted, "'"); !is {
			return "", "", false
		}
	}
	project = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	return service, project, berth.ValidateName("name", project) == nil
}
