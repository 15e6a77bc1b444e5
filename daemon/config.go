// Package daemon turns a configuration into the running server: construct, open in order, run,
// close in reverse. It is the only package that knows both the floors' interfaces and the parts
// that fill them in.
//
// It must not decide anything a person could ask for: verbs live in control, loops in reconciler.
package daemon

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/proxy"
)

// Config is what `berth serve` is told.
type Config struct {
	Data   string // directory of everything Berth keeps; default /var/lib/berth
	Domain string // base domain of generated hosts; empty: as decided before, else by decideDomain
	// SSLIP is the suffix below which a name with an address in it leads to that address; default sslip.io.
	SSLIP    string
	PublicIP string // address at which others reach this machine; empty: what can be seen of it
	// SSHConnection is SSH_CONNECTION of whoever starts the server.
	SSHConnection string
	ACME          ACMEConfig
	HTTP          string // listen address; default :80
	HTTPS         string // default :443
	SSH           string // default :2222, and nothing where that is taken
	// PublicHTTPS is the port at which others reach HTTPS, where a proxy passes it on; zero: the one listened on.
	PublicHTTPS int
	// TrustedProxies are the proxies in front that are believed where a request came from: how many there
	// are, or their addresses and networks; empty: none.
	TrustedProxies string
	Socket         string // Unix socket of the CLI on this machine; default <data>/run/berth.sock
	Agent          string // the helper binary; default berth-agent beside this binary
	Engine         string // "docker"
	Docker         string // Docker's socket; default: the environment's, else /var/run/docker.sock
	Owner          string // name of the first person
	// Volumes is the kind of volume store to begin with; "auto": the one that measures best.
	Volumes string
	// BuildMemory is the ceiling that all builds share, in bytes; zero: half of the machine.
	BuildMemory int64
	// BuildCache is how much the engine may keep for builds, in bytes; zero: see cacheBudget.
	BuildCache int64
	// Standby is how long the release before stands by after another began to serve; zero: not at all.
	Standby time.Duration
	// Idle is how long a development deployment may be idle before it goes to sleep; zero: any time.
	Idle time.Duration
	// Drain is how long an upgraded connection (WebSocket) stays with a replaced instance; zero: 5 minutes.
	Drain   time.Duration
	Version string
	Log     *slog.Logger
}

// ACMEConfig says whom to ask for public certificates.
type ACMEConfig struct {
	Directories []string // in order of preference; empty: Let's Encrypt; "off": nobody
	Email       string
	Resolver    string // name server that is asked whether a host leads here; empty: the machine's
}

// DefaultDomain needs no DNS: browsers and curl map *.localhost to loopback (RFC 6761 §6.3).
const DefaultDomain = "berth.localhost"

// withDefaults returns a copy with every empty field filled in.
func (c Config) withDefaults() Config {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.Data, "/var/lib/berth")
	fill(&c.SSLIP, "sslip.io")
	fill(&c.HTTP, ":80")
	fill(&c.HTTPS, ":443")
	fill(&c.Socket, filepath.Join(c.Data, "run", "berth.sock"))
	fill(&c.Engine, "docker")
	fill(&c.Docker, os.Getenv("DOCKER_HOST"))
	fill(&c.Docker, "unix:///var/run/docker.sock")
	fill(&c.Owner, "owner")
	fill(&c.Volumes, "auto")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Engine != "docker":
		return berth.Errorf(berth.EUnsupported, "there is no engine %q; this version runs on docker", c.Engine)
	case !filepath.IsAbs(c.Data):
		return berth.Errorf(berth.EInvalid, "--data must be an absolute path, not %q", c.Data)
	case c.Domain != "" && !isDomain(c.Domain):
		return berth.Errorf(berth.EInvalid, "--domain must be a lower-case domain name like apps.example.com, not %q", c.Domain)
	case c.BuildCache < 0:
		return berth.Errorf(berth.EInvalid, "--build-cache must be a number of bytes, not %d", c.BuildCache)
	case !isDomain(c.SSLIP):
		return berth.Errorf(berth.EInvalid, "--sslip must be a lower-case domain name like sslip.io, not %q", c.SSLIP)
	case c.PublicIP != "" && !isAddress(c.PublicIP):
		return berth.Errorf(berth.EInvalid, "--public-ip must be an address like 203.0.113.9, not %q", c.PublicIP)
	}
	if c.Idle < 0 {
		return berth.Errorf(berth.EInvalid, "--idle takes a time like 4h, or 0 for never")
	}
	if c.Standby < 0 || c.Standby > time.Hour || c.Drain < 0 || c.Drain > 24*time.Hour {
		return berth.Errorf(berth.EInvalid, "--standby takes up to 1h and --drain up to 24h")
	}
	if err := c.ACME.validate(); err != nil {
		return err
	}
	if _, err := c.volumes(); err != nil {
		return err
	}
	if _, err := proxy.ParseTrustedProxies(c.TrustedProxies); err != nil {
		return &berth.Error{Code: berth.EInvalid, Err: err,
			Message: fmt.Sprintf("--trusted-proxies must be the number of proxies in front (at most 16), or their addresses and networks like 10.0.0.0/8,192.0.2.7, not %q", c.TrustedProxies)}
	}
	for _, a := range []struct{ flag, address string }{{"--http", c.HTTP}, {"--https", c.HTTPS}, {"--ssh", cmp.Or(c.SSH, defaultSSH)}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			return berth.Errorf(berth.EInvalid, "%s must be an address like :8443 or 127.0.0.1:8443, not %q", a.flag, a.address)
		}
	}
	return nil
}

func (c ACMEConfig) validate() error {
	for _, directory := range c.Directories {
		u, err := url.Parse(directory)
		if directory != acmeOff && (err != nil || u.Scheme != "https" || u.Host == "") {
			return berth.Errorf(berth.EInvalid, "--acme-directory must be a URL like https://acme-v02.api.letsencrypt.org/directory, or off, not %q", directory)
		}
	}
	if c.Resolver != "" {
		if _, _, err := net.SplitHostPort(c.Resolver); err != nil {
			return berth.Errorf(berth.EInvalid, "--acme-resolver must be an address like 192.0.2.53:53, not %q", c.Resolver)
		}
	}
	return nil
}

// acmeOff in the place of a directory asks nobody.
const acmeOff = "off"

func isDomain(name string) bool {
	return strings.ToLower(name) == name && !strings.ContainsAny(name, "/: *") && strings.Contains(name, ".") &&
		!strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".")
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// volumes is the kind of volume store that is asked for; empty: the one that measures best.
func (c Config) volumes() (berth.StorageKind, error) {
	if c.Volumes == "auto" {
		return "", nil
	}
	return berth.ParseStorageKind(c.Volumes)
}

// names says where things are reached.
type names struct {
	domain string
	https  string // ":8443", or empty for the standard port
}

// publicHTTPS is the port in URLs: the one that is really listened on, or a proxy's.
func (d *Daemon) publicHTTPS() int {
	return cmp.Or(d.config.PublicHTTPS, portOf(d.httpsListener.Addr()))
}

func newNames(domain string, port int) names {
	if port == 443 {
		return names{domain: domain}
	}
	return names{domain: domain, https: ":" + strconv.Itoa(port)}
}

func portOf(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

func (n names) host(label string) string { return label + "." + n.domain }
func (n names) url(label string) string  { return "https://" + n.host(label) + n.https }
func (n names) console() string          { return n.host(berth.ConsoleLabel) }
func (n names) consoleURL() string       { return n.url(berth.ConsoleLabel) }
