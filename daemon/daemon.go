package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/api"
	"github.com/berth-dev/berth/build"
	"github.com/berth-dev/berth/buildkit"
	"github.com/berth-dev/berth/certs"
	"github.com/berth-dev/berth/control"
	"github.com/berth-dev/berth/core"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/engine"
	"github.com/berth-dev/berth/forge"
	"github.com/berth-dev/berth/git"
	"github.com/berth-dev/berth/images"
	"github.com/berth-dev/berth/ingress"
	"github.com/berth-dev/berth/logs"
	"github.com/berth-dev/berth/mail"
	"github.com/berth-dev/berth/packages"
	"github.com/berth-dev/berth/proxy"
	"github.com/berth-dev/berth/reconciler/idle"
	"github.com/berth-dev/berth/reconciler/migration"
	"github.com/berth-dev/berth/requestlog"
	"github.com/berth-dev/berth/session"
	"github.com/berth-dev/berth/sqlite"
	"github.com/berth-dev/berth/sshd"
	"github.com/berth-dev/berth/ui"
	"github.com/berth-dev/berth/vault"
	"github.com/berth-dev/berth/volume"
	"github.com/berth-dev/berth/welcome"
	"golang.org/x/sync/errgroup"
)

// Daemon is the running server. Its parts are opened in the order of the fields and closed in reverse.
type Daemon struct {
	config Config
	dirs   directories
	names  names
	log    *slog.Logger
	server berth.ID

	httpListener, httpsListener, socketListener net.Listener
	sshListener                                 net.Listener // nil: another program has the default port

	store     *sqlite.Store
	vault     *vault.Vault
	certs     *certs.Certs
	git       *git.Git
	packages  *git.Git
	volumes   *volume.Volumes
	disks     disks
	moves     *migration.Loop
	idling    *idle.Loop
	waking    waking
	mail      *mail.Inboxes
	logs      *logs.Logs
	requests  *requestlog.Log
	buildLogs *build.Logs
	engine    *docker.Engine
	images    *images.Images
	builder   build.Builder
	cache     cache
	proxy     *proxy.Proxy
	welcome   *welcome.Welcome
	cli       *welcome.CLI
	control   *control.Control
	sessions  *session.Sessions
	ingress   *ingress.Ingress
	core      *core.Core
	api       http.Handler
	ui        *ui.Console
	ssh       *sshd.Server // nil: there is none
	loops     loops

	closers []func() error
}

// Run opens the server, runs it until ctx ends, and closes it. It returns an error that a person
// can read when the server cannot start.
func Run(ctx context.Context, c Config) error {
	d, err := Open(ctx, c)
	if err != nil {
		return err
	}
	d.log.Info("berth serves", "data", d.dirs.data, "https", d.httpsListener.Addr().String(), "http", d.httpListener.Addr().String(), "ssh", addressText(d.sshListener),
		"socket", d.config.Socket, "console", d.names.consoleURL(), "version", d.config.Version)
	return errors.Join(d.Run(ctx), d.Close())
}

// Open makes everything ready, and leaves nothing open when it fails.
func Open(ctx context.Context, c Config) (d *Daemon, err error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, berth.Errorf(berth.EForbidden, "berth serve must run as root on a Docker machine: it enters network namespaces, sets firewall rules and owns volumes of other users")
	}
	d = &Daemon{config: c, dirs: directoriesOf(c.Data), log: c.Log}
	for _, open := range []func(context.Context) error{
		d.openDirectories, d.openListeners, d.openStore, d.openNames, d.openFiles, d.openEngine, d.openDisks, d.openBuilds,
		d.openWelcome, d.openControl, d.openRouting, d.openAPI, d.openConsole, d.openSSH, d.openLoops,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// Close closes in reverse order: front doors first, the store last.
func (d *Daemon) Close() error {
	var failures []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		failures = append(failures, d.closers[i]())
	}
	d.closers = nil
	return errors.Join(failures...)
}

func (d *Daemon) closeLater(f func() error) { d.closers = append(d.closers, f) }

func (d *Daemon) openDirectories(context.Context) error {
	release, err := d.dirs.open()
	if err == nil {
		d.closeLater(release)
	}
	return err
}

func (d *Daemon) openListeners(ctx context.Context) (err error) {
	listen := func(into *net.Listener, open func() (net.Listener, error)) {
		if err != nil {
			return
		}
		if *into, err = open(); err == nil && *into != nil {
			l := *into
			d.closeLater(func() error { return ignoreClosed(l.Close()) })
		}
	}
	listen(&d.httpListener, func() (net.Listener, error) { return listenTCP(ctx, "--http", d.config.HTTP) })
	listen(&d.httpsListener, func() (net.Listener, error) { return listenTCP(ctx, "--https", d.config.HTTPS) })
	listen(&d.sshListener, func() (net.Listener, error) { return d.listenSSH(ctx) })
	listen(&d.socketListener, func() (net.Listener, error) { return listenUnix(d.config.Socket) })
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (d *Daemon) openStore(ctx context.Context) (err error) {
	if d.store, err = sqlite.Open(ctx, d.dirs.database(), time.Now); err != nil {
		return err
	}
	d.closeLater(d.store.Close)
	d.vault, err = vault.Open(d.dirs.key())
	return err
}

// maxPackage and packageTime bound the fetch of a package: somebody else's repository, of which a few files count.
const (
	maxPackage  = 256 << 20
	packageTime = 3 * time.Minute
)

// openFiles opens what lives in files beside the database.
func (d *Daemon) openFiles(ctx context.Context) error {
	d.git = git.New(git.Config{Dir: d.dirs.git, Env: gitEnv(os.LookupEnv), KnownHosts: forge.KnownHosts()})
	d.packages = git.New(git.Config{Dir: d.dirs.packages, Env: gitEnv(os.LookupEnv), Timeout: packageTime, MaxFetch: maxPackage})
	wish, err := d.config.volumes()
	if err != nil {
		return err
	}
	if d.volumes, err = volume.Open(ctx, volume.Config{Data: d.dirs.data, Dir: d.dirs.volumes, Wish: wish, Log: d.log}); err != nil {
		return err
	}
	d.mail = mail.New(d.dirs.mail, time.Now)
	d.buildLogs = build.NewLogs(d.dirs.builds)
	return d.openCerts()
}

func (d *Daemon) openEngine(ctx context.Context) error {
	if _, err := writeTrust(d.dirs.trust(), d.certs.CAPEM()); err != nil {
		return err
	}
	agent, err := agentPath(d.config.Agent)
	if err != nil {
		return err
	}
	if d.server, err = d.serverID(ctx); err != nil {
		return err
	}
	d.logs = logs.New(logs.Config{Dir: d.dirs.logs, Files: func(ctx context.Context, deployment berth.ID) ([]engine.LogFile, error) {
		return d.engine.LogFiles(ctx, deployment)
	}})
	agentKey, err := d.vault.Derive("helpers that work for people")
	if err != nil {
		return err
	}
	d.engine, err = docker.New(docker.Config{
		Socket: d.config.Docker, RunDir: d.dirs.run, AgentPath: agent, AgentKey: agentKey, CAFile: d.dirs.trust(),
		Env: trustEnv(os.LookupEnv), ServerID: string(d.server), VolumesDir: d.dirs.volumes,
		Secret: d.secret, Registry: d.registry, Keep: d.logs.Keep, Log: d.log,
	})
	if err != nil {
		return err
	}
	if err := d.engine.Open(ctx); err != nil {
		return err
	}
	d.closeLater(d.engine.Close)
	return nil
}

// serverID marks everything of this server in the engine. It lives with the database: who moves
// the data directory to another machine takes the deployments along.
func (d *Daemon) serverID(ctx context.Context) (id berth.ID, err error) {
	err = d.store.Update(ctx, func(tx *sqlite.Tx) error {
		known, ok, err := tx.Meta("server")
		if err != nil || ok {
			id = berth.ID(known)
			return err
		}
		id = berth.NewID()
		return tx.PutMeta("server", string(id))
	})
	return id, err
}

// secret opens a vault secret for the engine's create call.
func (d *Daemon) secret(ctx context.Context, id berth.ID, version int) (value berth.Secret, err error) {
	var sealed []byte
	if err := d.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		sealed, err = tx.Secret(id, version)
		return err
	}); err != nil {
		return berth.Secret{}, fmt.Errorf("read secret: %w", err)
	}
	return d.vault.Unseal(sealed)
}

// registry finds the login to a registry of images.
func (d *Daemon) registry(ctx context.Context, host string) (username string, password berth.Secret, ok bool, err error) {
	var login berth.Registry
	var sealed []byte
	err = d.store.View(ctx, func(tx *sqlite.Tx) (err error) {
		login, sealed, err = tx.Registry(host)
		return err
	})
	if berth.CodeOf(err) == berth.ENotFound {
		return "", berth.Secret{}, false, nil
	}
	if err != nil {
		return "", berth.Secret{}, false, fmt.Errorf("read login to %s: %w", host, err)
	}
	password, err = d.vault.Unseal(sealed)
	return login.Username, password, err == nil, err
}

// buildsAtOnce is how many builds run at a time; they share one memory ceiling.
const buildsAtOnce = 2

func (d *Daemon) openBuilds(context.Context) error {
	plain, err := buildkit.New(buildkit.Config{
		Socket: d.config.Docker, CAFile: d.dirs.trust(), Env: trustEnv(os.LookupEnv), Ceiling: d.config.BuildMemory,
		Substitute: func(ctx context.Context, ref string, log io.Writer) (string, bool, error) {
			return d.images.Substitute(ctx, ref, log)
		},
		Registry: d.registry, Log: d.log,
	})
	if err != nil {
		return err
	}
	idle := build.NewIdle(plain)
	d.cache = cache{builder: plain, idle: idle, budget: d.cacheBudget, log: d.log}
	d.builder = build.Limit(build.Record(idle, d.buildLogs.Create), buildsAtOnce)
	d.images = images.New(images.Config{Engine: d.engine, Builder: idle, Dir: d.dirs.images, Log: d.log})
	return nil
}

func (d *Daemon) openControl(ctx context.Context) error {
	catalogue, err := catalogueOf(packages.FS())
	if err != nil {
		return err
	}
	d.control = control.New(control.Config{
		Store: storeFor[control.Tx]{d.store, func(tx *sqlite.Tx) control.Tx { return tx }},
		Vault: d.vault, Git: d.git, Forges: forge.Forges{}, BuildLogs: d.buildLogs, ReadStack: readStack(catalogue), SavedFile: d.savedFile, CheckRegistry: d.engine.CheckRegistry, Propose: propose,
		Describe: describe, Moved: func(project berth.ID) { d.loops.follow.Hint(project) }, Mail: d.mail, Usage: d.volumes.Usage, Room: d.disks.room,
		Volumes: storage{d}, BuildCache: d.cache.status,
		Metrics:   func(w io.Writer) error { return d.proxy.WriteMetrics(w) },
		Idle:      func(one berth.Deployment) *berth.Idleness { return d.idling.Idleness(one) },
		Led:       func(r berth.Release) bool { return d.ingress.Leads(r) }, // opened before anybody is answered
		Host:      func(label string) (string, string) { return d.names.host(label), d.names.url(label) },
		Catalogue: catalogue, ServerURL: d.names.consoleURL(), ConsoleURL: d.names.consoleURL(),
		Address: nearAddress(d.httpsListener), SSH: d.sshServer,
		CA: d.certs.CAPEM, Fingerprint: d.certs.Fingerprint, Certificate: d.certs.State, Domain: d.names.domain, Leads: d.leads, Reached: d.reachedAt, URLOf: d.names.urlOf, ReadDelivery: readDelivery, ReportStatus: newReporter().Report, HookURL: d.hookURL, DeployHookURL: d.deployHookURL, BuildsURL: d.buildsURL, ReleasesPage: d.releasesPage, HookPage: forge.Forges{}.HookPage, Install: d.installCommand,
		Version: d.config.Version, Now: time.Now,
	})
	return d.control.EnsureOwner(ctx, d.config.Owner)
}

// holdRequests is how long requests wait for what cannot run beside its replacement.
const holdRequests = 15 * time.Second

func (d *Daemon) openRouting(context.Context) error {
	d.requests = requestlog.New(requestlog.Config{Dir: d.dirs.requests, Log: d.log})
	d.closeLater(d.requests.Close)
	trusted, err := proxy.ParseTrustedProxies(d.config.TrustedProxies)
	if err != nil {
		return err
	}
	d.proxy = proxy.New(proxy.Config{Trusted: trusted, Log: d.log, Record: d.asked})
	d.closeLater(func() error { d.proxy.Close(); return nil })
	d.waking.wake = d.wakeForRequest
	d.closeLater(d.waking.Close)
	d.ingress = ingress.New(ingress.Config{
		Store:  watched[ingress.Tx]{storeFor[ingress.Tx]{d.store, func(tx *sqlite.Tx) ingress.Tx { return tx }}},
		Dialer: d.engine, Proxy: d.proxy, RunDir: d.dirs.run, HostName: d.names.host, Hold: holdRequests, Wake: d.waking.forRequest, Drain: d.config.Drain,
		Handlers: map[string]http.Handler{d.names.console(): d.hooks(d.repositories(http.HandlerFunc(d.console)))}, Deployments: d.syncCore, Hosts: d.certs.Want,
		Ports: standIns(d.httpListener.Addr(), d.httpsListener.Addr()), Log: d.log,
	})
	port := d.publicHTTPS()
	d.core = core.New(core.Config{RunDir: d.dirs.run, TLS: d.tls(), HTTPS: d.proxy.Applications(),
		HTTP: d.proxy.PlainApplications(port), Inbox: d.mail, MaxMail: mail.MaxMessage, Log: d.log})
	d.closeLater(d.core.Close)
	return nil
}

// standIns maps the ports of public URLs to the standard ones that core passes on.
func standIns(http, https net.Addr) map[int]int {
	ports := map[int]int{}
	if port := portOf(http); port != 80 {
		ports[port] = 80
	}
	if port := portOf(https); port != 443 {
		ports[port] = 443
	}
	return ports
}

func (d *Daemon) tls() *tls.Config {
	get := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return certificateFor(hello, d.names, d.ingress.Serves, d.certs.GetCertificate)
	}
	return &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12, NextProtos: append([]string{"h2", "http/1.1"}, d.certs.Protocols()...)}
}

func (d *Daemon) syncCore(ids []berth.ID) {
	if err := d.core.Sync(ids); err != nil {
		d.log.Warn("open sockets of deployments", "error", err)
	}
}

// service joins the verbs and the streams into the one contract.
type service struct {
	*verbs
	*streams
}

type (
	verbs   = control.Service
	streams = session.Service
)

func (d *Daemon) openAPI(context.Context) error {
	d.sessions = session.New(session.Config{
		Access: d.control,
		Store:  watched[session.Tx]{storeFor[session.Tx]{d.store, func(tx *sqlite.Tx) session.Tx { return tx }}},
		Logs:   d.logs, Requests: d.requests, Execer: d.engine, Joiner: d.engine, Wake: d.control.Wake,
	})
	d.api = api.New(api.Config{
		Service:      d.as,
		Authenticate: d.control.Authenticate, Login: d.control.Login, Machine: d.control.Machine,
		OurHost: func(host string) bool { return host == d.names.console() },
		CA:      d.certs.CAPEM, ServerURL: d.names.consoleURL(), Version: d.config.Version, Log: d.log, Now: time.Now,
	})
	return nil
}

// as is every verb for one caller.
func (d *Daemon) as(c berth.Caller) berth.Service { return service{d.control.As(c), d.sessions.As(c)} }

// Run serves and reconciles until ctx ends. Front doors close first, then the loops.
func (d *Daemon) Run(ctx context.Context) error {
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoops()
	var running errgroup.Group
	d.runLoops(loops, &running)
	if err := d.ingress.Refresh(ctx); err != nil {
		d.log.Warn("first routing pass", "error", err)
	}
	err := d.serve(ctx)
	stopLoops()
	return errors.Join(err, running.Wait())
}

// closeGrace is how long open requests may take to end when the server stops.
const closeGrace = 10 * time.Second

// serve answers on all listeners until ctx ends or one of them breaks.
func (d *Daemon) serve(ctx context.Context) error {
	port := d.publicHTTPS()
	https, plain := proxy.NewServer(d.proxy, d.log), proxy.NewServer(d.certs.Challenges(d.welcome.Plain(d.proxy.Plain(port))), d.log)
	https.TLSConfig = d.tls()
	https.RegisterOnShutdown(d.ui.Close)
	socket := &http.Server{Handler: d.api, ConnContext: api.PeerContext, ReadHeaderTimeout: 10 * time.Second}
	var group errgroup.Group
	broken, cancel := context.WithCancel(ctx)
	defer cancel()
	run := func(s *http.Server, l net.Listener, serve func(net.Listener) error) {
		group.Go(func() error {
			defer cancel()
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-broken.Done()
			grace, done := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
			defer done()
			if err := s.Shutdown(grace); err != nil {
				return s.Close()
			}
			return nil
		})
	}
	run(https, d.httpsListener, func(l net.Listener) error { return https.ServeTLS(l, "", "") })
	run(plain, d.httpListener, plain.Serve)
	run(socket, d.socketListener, socket.Serve)
	if d.ssh != nil {
		group.Go(func() error {
			defer cancel()
			return d.ssh.Serve(broken, d.sshListener)
		})
	}
	return group.Wait()
}
