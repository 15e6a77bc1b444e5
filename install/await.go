package install

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
)

// startWithin is how long a server may take until it answers.
const startWithin = 90 * time.Second

// awaitServer waits until the server answers and says that it is of a version.
func awaitServer(ctx context.Context, l layout, s supervisor, limit time.Duration, version string) error {
	var last error
	healthy := func() bool {
		who, err := whoami(ctx, l.socket())
		if err == nil && who.Version != version {
			err = berth.Errorf(berth.EUnavailable, "the one that answers is of version %s", who.Version)
		}
		last = err
		return err == nil
	}
	until(ctx, limit, func() bool { return healthy() || s.ended(ctx) })
	if last == nil {
		return nil
	}
	return berth.Errorf(berth.EUnavailable, "the server does not answer (%s); its last words:\n%s", berth.MessageOf(last), s.lastWords(ctx))
}

// Result is what a person needs after an installation.
type Result struct {
	ServerURL string
	Link      berth.Secret // logs the owner in, once
	// Boot are the lines that something on this machine must run at boot; none where systemd does.
	Boot []string
	// Proxy says what the program on the standard ports has to pass on, with BehindProxy.
	Proxy string
}

// Result asks the server for what is printed last.
func (i *Installation) Result(ctx context.Context) (Result, error) {
	l := i.options.layout()
	c, err := client.New(client.Config{Socket: l.socket()})
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	who, err := c.Whoami(ctx)
	if err != nil {
		return Result{}, err
	}
	login, err := c.CreateLoginLink(ctx, "")
	if err != nil {
		return Result{}, err
	}
	r := Result{ServerURL: who.ServerURL, Link: login.URL}
	if !i.survey.facts.Systemd {
		r.Boot = bootLines(i.wanted.line(l), l)
	}
	if i.wanted.Proxy {
		r.Proxy = fmt.Sprintf("Have your proxy pass port 443 on to %s as it is (by TLS's server name, not decrypted), and port 80 to %s.", i.wanted.HTTPS, i.wanted.HTTP)
	}
	return r, nil
}

// bootLines are what a machine without systemd has to run at boot, as root.
func bootLines(line []string, l layout) []string {
	return []string{
		"setsid dockerd >>" + engineLog + " 2>&1 </dev/null &",
		"until docker version >/dev/null 2>&1; do sleep 1; done",
		"setsid " + shellLine(line) + " >>" + shellLine([]string{l.log()}) + " 2>&1 </dev/null &",
	}
}
