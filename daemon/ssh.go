package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/githttp"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/sshd"
)

const defaultSSH = ":2222"

// listenSSH listens where a person said. The default port may be somebody else's: then the server goes on
// without SSH, as one that was there before SSH was.
func (d *Daemon) listenSSH(ctx context.Context) (net.Listener, error) {
	if d.config.SSH != "" {
		return listenTCP(ctx, "--ssh", d.config.SSH)
	}
	l, err := listenTCP(ctx, "--ssh", defaultSSH)
	if berth.CodeOf(err) == berth.EConflict {
		d.log.Warn("no SSH: another program has its port; --ssh chooses another", "address", defaultSSH)
		return nil, nil
	}
	return l, err
}

func addressText(l net.Listener) string {
	if l == nil {
		return "none"
	}
	return l.Addr().String()
}

func (d *Daemon) openSSH(ctx context.Context) (err error) {
	if d.sshListener == nil {
		return nil
	}
	keys, err := d.hostKeys(ctx)
	if err != nil {
		return err
	}
	d.ssh, err = sshd.New(sshd.Config{Gateway: gateway{d}, Repositories: githttp.NewStreams(d.repositoryConfig(), d.git), HostKeys: keys, Subscribe: d.store.Subscribe, Version: d.config.Version, Log: d.log})
	return err
}

// hostKeys are the server's own keys, made at its first start and sealed in the store.
func (d *Daemon) hostKeys(ctx context.Context) (keys []berth.Secret, err error) {
	for _, kind := range sshd.HostKeyTypes() {
		key, err := d.hostKey(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("host key %s: %w", kind, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (d *Daemon) hostKey(ctx context.Context, kind string) (berth.Secret, error) {
	var sealed []byte
	var known bool
	err := d.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		sealed, known, err = tx.HostKey(kind)
		return err
	})
	if err != nil {
		return berth.Secret{}, err
	}
	if known {
		return d.vault.Unseal(sealed)
	}
	key, err := sshd.NewHostKey(kind)
	if err != nil {
		return berth.Secret{}, err
	}
	if sealed, err = d.vault.Seal(key); err != nil {
		return berth.Secret{}, err
	}
	return key, d.store.Update(ctx, func(tx *sqlite.Tx) error { return tx.PutHostKey(kind, sealed) })
}

// sshServer is where people reach SSH.
func (d *Daemon) sshServer() berth.SSHServer {
	if d.ssh == nil {
		return berth.SSHServer{}
	}
	at := addressOf(d.sshListener)
	return berth.SSHServer{Host: sshHost(at.Addr(), d.names, d.config.SSLIP), Port: int(at.Port()), HostKeys: d.ssh.PublicKeys()}
}

// sshHost is a name or an address that every SSH client resolves. Names below .localhost are for browsers only, and of a
// domain of one's own only the names below it need lead here.
func sshHost(at netip.Addr, n names, sslip string) string {
	public, ok := sslipAddress(n.domain, sslip)
	switch {
	case at.IsLoopback():
		return at.String()
	case ok:
		return public.Unmap().String()
	case strings.HasSuffix(n.domain, ".localhost"):
		return "localhost"
	}
	return n.console()
}

// gateway joins SSH with the verbs and the streams.
type gateway struct{ d *Daemon }

// Identify says whose key this is.
func (g gateway) Identify(ctx context.Context, blob []byte) (berth.Caller, berth.ID, error) {
	caller, key, err := g.d.control.PersonOfKey(ctx, blob)
	return caller, key.ID, err
}

// May says whether a person may enter a deployment.
func (g gateway) May(ctx context.Context, caller berth.Caller, user string) error {
	slug, _, _ := strings.Cut(user, ".")
	_, err := g.d.control.MayExec(ctx, caller, slug)
	return err
}

// Enter finds the instance that an SSH user name leads to.
func (g gateway) Enter(ctx context.Context, caller berth.Caller, user string) (sshd.Place, error) {
	place, err := g.d.sessions.As(caller).Place(ctx, user)
	if err != nil {
		return nil, err // no typed nil: the interface would not be nil
	}
	return place, nil
}

// Record keeps what happened on a connection.
func (g gateway) Record(ctx context.Context, caller berth.Caller, user, kind, message string) error {
	return g.d.store.Update(ctx, func(tx *sqlite.Tx) error {
		e := berth.Event{Person: caller.Name, Kind: kind, Message: message}
		slug, element, _ := strings.Cut(user, ".")
		deployment, err := tx.Deployment(berth.Everything(), slug)
		if err != nil && berth.CodeOf(err) != berth.ENotFound { // git, or deleted meanwhile
			return err
		}
		if err == nil {
			e.Deployment, e.Project, e.Slug, e.Element = deployment.ID, deployment.ProjectID, deployment.Slug, element
		}
		return tx.AppendEvent(e)
	})
}
