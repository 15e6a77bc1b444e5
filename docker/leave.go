package docker

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
)

// LeaveMachine takes away what all Berths of a machine share: the firewall's rules and the control group above
// the deployments' own. It is for the last of them.
func (e *Engine) LeaveMachine(ctx context.Context) error {
	e.firewall.mu.Lock()
	defer e.firewall.mu.Unlock()
	for _, r := range machineRules {
		if err := dropRule(ctx, r); err != nil {
			return fmt.Errorf("open the machine to containers: %w", err)
		}
	}
	return e.cgroups.removeParents()
}

// dropRule deletes a rule however often the chain has it.
func dropRule(ctx context.Context, r rule) error {
	for {
		err := iptables(ctx, append([]string{"-t", r.table, "-C", r.chain}, r.spec...)...)
		if isExit(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := iptables(ctx, append([]string{"-t", r.table, "-D", r.chain}, r.spec...)...); err != nil {
			return err
		}
	}
}

// removeParents drops the group of all deployments in every hierarchy. One that somebody uses stays; systemd's
// goes by itself.
func (c cgroups) removeParents() error {
	paths, err := c.everywhere("")
	if err != nil {
		return err
	}
	for _, path := range paths {
		if filepath.Base(path) == cgroupParent {
			_ = syscall.Rmdir(path) // there, gone or in use: nothing else can be done
		}
	}
	return nil
}
