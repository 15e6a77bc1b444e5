package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// firewall closes the machine, and deployments to each other. Docker keeps networks apart as well, but takes
// its rules out for some milliseconds whenever anybody makes a network [M: 132 of 8,000 connections got
// through], DOCKER-USER included. What it leaves open always are the machine's own addresses (every
// network's gateway is one) and the link-local range with the cloud's metadata service.
type firewall struct{ mu sync.Mutex }

// rule is one line of a chain. It is put at the chain's top, unless it is there already.
type rule struct {
	table, chain string
	spec         []string
}

const bridges = bridgePrefix + "+" // every interface whose name begins so

// machineRules name interfaces by prefix, so that there is one of each however many deployments there
// are. They stand where Docker changes nothing. What stays on one bridge also comes by, on machines that
// filter bridges: it is not routed.
var machineRules = [...]rule{
	{"filter", "INPUT", []string{"-i", bridges, "-m", "conntrack", "!", "--ctstate", "RELATED,ESTABLISHED", "-j", "DROP"}},
	{"mangle", "FORWARD", []string{"-i", bridges, "-d", "169.254.0.0/16", "-j", "DROP"}},
	{"mangle", "FORWARD", []string{"-i", bridges, "-o", bridges, "-m", "physdev", "!", "--physdev-is-bridged", "-j", "DROP"}},
	{"mangle", "FORWARD", []string{"-i", bridges, "-o", "docker0", "-j", "DROP"}},
	{"mangle", "FORWARD", []string{"-i", bridges, "-o", "br-+", "-j", "DROP"}}, // Docker's name for other networks
}

// close puts the rules in place; those that are there stay.
func (f *firewall) close(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range machineRules {
		if err := ensureRule(ctx, "-I", r); err != nil {
			return fmt.Errorf("close the machine to containers: %w", err)
		}
	}
	return nil
}

// ensureRule adds a rule (by -A or -I) unless the chain has it.
func ensureRule(ctx context.Context, how string, r rule) error {
	if err := iptables(ctx, append([]string{"-t", r.table, "-C", r.chain}, r.spec...)...); err == nil {
		return nil
	} else if !isExit(err) {
		return err
	}
	return iptables(ctx, append([]string{"-t", r.table, how, r.chain}, r.spec...)...)
}

func isExit(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit)
}

const iptablesTimeout = 20 * time.Second

// iptables runs it with the lock that others on the machine hold as well.
func iptables(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, iptablesTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "iptables", append([]string{"-w", "10"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return berth.Errorf(berth.EUnsupported, "iptables is not installed, and Berth needs it to close the machine to containers; install it (Debian: apt-get install iptables)")
	}
	if err != nil {
		return fmt.Errorf("iptables %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
