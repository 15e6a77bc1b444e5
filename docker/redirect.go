package docker

import (
	"context"
	"strconv"
)

// setRedirects makes the Service ports of an instance lead to the ports it listens on, by nat rules in
// its own network namespace. It needs no process there, and rules that exist stay.
func (e *Engine) setRedirects(ctx context.Context, instance string, redirects []redirect) error {
	to, err := e.endpoint(ctx, instance)
	if err != nil {
		return err
	}
	p, err := openProcess(to.Pid, to.Container)
	if err != nil {
		return err
	}
	defer p.close()
	ns, err := p.netns()
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	return inside(ctx, ns, func(ctx context.Context) error {
		for _, r := range redirectRules(redirects, to.Address) {
			if err := ensureRule(ctx, "-A", r); err != nil {
				return err
			}
		}
		return nil
	})
}

// redirectRules are for what comes from outside, and for the pod itself where it asks for its own name.
func redirectRules(redirects []redirect, address string) []rule {
	var out []rule
	for _, r := range redirects {
		to := []string{"-p", r.Protocol, "--dport", strconv.Itoa(r.Port), "-j", "REDIRECT", "--to-ports", strconv.Itoa(r.Target)}
		out = append(out, rule{"nat", "PREROUTING", to})
		if address != "" {
			out = append(out, rule{"nat", "OUTPUT", append([]string{"-d", address}, to...)})
		}
	}
	return out
}
