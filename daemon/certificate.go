package daemon

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/certs"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/sqlite"
)

func (d *Daemon) openCerts() (err error) {
	config := certs.Config{
		Dir: d.dirs.certs, Domain: d.names.domain, Note: d.noteCertificate, Log: d.log,
		Ours: func(host string) bool { return host == d.names.wildcard() || d.ingress.Serves(host) },
	}
	if asksIssuers(d.names.domain, d.config) {
		config.ACME = &certs.ACME{
			Directories: d.config.ACME.Directories, Email: d.config.ACME.Email, Resolves: resolves(d.config.ACME.Resolver),
			HTTP: addressOf(d.httpListener), HTTPS: addressOf(d.httpsListener),
		}
	}
	if d.certs, err = certs.Open(config); err != nil {
		return err
	}
	d.closeLater(func() error { d.certs.Close(); return nil })
	return nil
}

// asksIssuers reports whether public certificates can be had: not for names that only this machine knows, nor
// for a private address, which no issuer reaches.
func asksIssuers(domain string, c Config) bool {
	if slices.Contains(c.ACME.Directories, acmeOff) || domain == "localhost" || strings.HasSuffix(domain, ".localhost") {
		return false
	}
	address, inName := sslipAddress(domain, c.SSLIP)
	return !inName || isPublic(address)
}

func addressOf(l net.Listener) netip.AddrPort {
	address, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
}

// nearAddress is one at which a listener answers on this machine.
func nearAddress(l net.Listener) string {
	if at := addressOf(l).Addr(); at.IsValid() && !at.IsUnspecified() {
		return at.String()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}).String()
}

// resolverTime is how long a name server may take.
const resolverTime = 5 * time.Second

// resolves asks a name server, or with "" the machine's, whether it knows a host.
func resolves(server string) func(ctx context.Context, host string) error {
	resolver := resolverOf(server)
	return func(ctx context.Context, host string) error {
		ctx, cancel := context.WithTimeout(ctx, resolverTime)
		defer cancel()
		_, err := resolver.LookupHost(ctx, host+".") // without the machine's search domains
		return err
	}
}

// noteCertificate makes an event of what became of a host's certificate, of its deployment where it has one.
func (d *Daemon) noteCertificate(n certs.Note) {
	d.log.Info(n.Kind, "host", n.Host, "message", n.Message)
	ctx, cancel := context.WithTimeout(context.Background(), resolverTime)
	defer cancel()
	err := d.store.Update(ctx, func(tx *sqlite.Tx) error {
		event := berth.Event{Kind: n.Kind, Message: n.Message}
		deployment, element, err := d.whose(tx, n.Host)
		if err == nil {
			of, err := tx.DeploymentByID(berth.Everything(), deployment)
			if err != nil {
				return err
			}
			event.Project, event.Deployment, event.Slug, event.Element = of.ProjectID, of.ID, of.Slug, element
		} else if berth.CodeOf(err) != berth.ENotFound {
			return err
		}
		if n.Kind == certs.NoteRefused {
			if err := control.DoubtDomain(tx, n.Host); err != nil {
				return err
			}
		}
		return tx.AppendEvent(event)
	})
	if err != nil {
		d.log.Warn("record certificate", "host", n.Host, "error", err)
	}
}

// whose finds the deployment and element of a host, generated or of a team's own. ENotFound where it is nobody's.
func (d *Daemon) whose(tx *sqlite.Tx, host string) (deployment berth.ID, element string, err error) {
	if label, generated := strings.CutSuffix(host, "."+d.names.domain); generated {
		h, err := tx.HostByLabel(label)
		return h.Deployment, h.Element, err
	}
	m, err := tx.Domain(host)
	if berth.CodeOf(err) == berth.ENotFound {
		return whoseBelow(tx, host)
	}
	return m.Deployment, m.Element, err
}

// whoseBelow is whose for a name that a project's domain gives to a host.
func whoseBelow(tx *sqlite.Tx, host string) (deployment berth.ID, element string, err error) {
	label, above, _ := strings.Cut(host, ".")
	parent, err := tx.Domain(berth.ParentDomain(above))
	if err != nil {
		return "", "", err
	}
	h, err := tx.HostByLabel(label)
	if err != nil {
		return "", "", err
	}
	of, err := tx.DeploymentByID(berth.Everything(), h.Deployment)
	if err == nil && len(parent.NamesBelow(of, []berth.Host{h})) == 0 {
		err = berth.Errorf(berth.ENotFound, "%s is nobody's", host)
	}
	return of.ID, h.Element, err
}

// certificateFor asks for the certificate of the host a client names. A name below the base domain
// that is nobody's gets the wildcard's, so that a person reads "no such host" and not a TLS alert;
// one certificate for all of them, whatever names are tried.
func certificateFor(hello *tls.ClientHelloInfo, n names, serves func(host string) bool,
	get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (*tls.Certificate, error) {
	host := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if host == "" || serves(host) || !n.below(host) {
		return get(hello)
	}
	nobody := *hello
	nobody.ServerName = n.wildcard()
	return get(&nobody)
}

// wildcard stands for every generated name.
func (n names) wildcard() string { return "*." + n.domain }

// below reports whether a host is one label below the base domain.
func (n names) below(host string) bool {
	label, found := strings.CutSuffix(host, "."+n.domain)
	return found && label != "" && !strings.Contains(label, ".")
}
