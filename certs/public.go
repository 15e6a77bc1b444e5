package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// ACME says who issues public certificates, and where their questions arrive.
type ACME struct {
	Directories []string       // in order of preference; empty: Let's Encrypt's
	Email       string         // where an issuer writes to; may be empty
	HTTP, HTTPS netip.AddrPort // our own listeners
	// Resolves asks whether the world's DNS knows a host, so that no issuer is asked in vain.
	Resolves func(ctx context.Context, host string) error
	Roots    *x509.CertPool // vouch for the issuers' own servers; nil: the machine's
	// LookEvery is how often it is seen whether a certificate is to be renewed. Zero: 10 minutes.
	LookEvery time.Duration
}

// challengeProtocol is how an issuer asks over TLS (RFC 8737).
const challengeProtocol = "acme-tls/1"

// askedAtOnce is how many hosts are asked for at a time.
const askedAtOnce = 4

// public keeps the certificates of public issuers. A turn of its loop asks for what is due; certmagic
// renews what is there.
type public struct {
	acme     ACME
	ours     func(host string) bool
	note     func(Note)
	now      func() time.Time
	magic    *certmagic.Config
	cache    *certmagic.Cache
	refusals *refusals

	changed chan struct{} // holds one hint that the loop should look again
	stop    context.CancelFunc
	running sync.WaitGroup
	closing sync.Once

	mu    sync.Mutex
	hosts map[string]*wanted
}

// wanted is a host on its way to a certificate.
type wanted struct {
	state   berth.CertificateState
	message string
	tries   int       // that its DNS was asked in vain
	next    time.Time // when it is due; zero: never again
	asking  bool
}

func openPublic(c Config) (*public, error) {
	kept, err := openRefusals(filepath.Join(c.Dir, "refusals.json"))
	if err != nil {
		return nil, err
	}
	p := &public{acme: *c.ACME, ours: c.Ours, note: c.Note, now: c.now, refusals: kept,
		changed: make(chan struct{}, 1), hosts: map[string]*wanted{}}
	p.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return p.magic, nil },
		RenewCheckInterval: p.acme.LookEvery, Logger: zap.NewNop(),
	})
	p.magic = certmagic.New(p.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: filepath.Join(c.Dir, "acme")}, Logger: zap.NewNop(), OnEvent: p.onEvent,
	})
	p.magic.Issuers = p.issuers()
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.running.Go(func() { p.run(ctx) })
	return p, nil
}

func (p *public) close() {
	p.closing.Do(func() {
		p.stop()
		p.running.Wait()
		p.cache.Stop()
	})
}

func (p *public) issuers() (list []certmagic.Issuer) {
	directories := p.acme.Directories
	if len(directories) == 0 {
		directories = []string{certmagic.LetsEncryptProductionCA}
	}
	for _, directory := range directories {
		list = append(list, issuer{ours: p.ours, ACMEIssuer: certmagic.NewACMEIssuer(p.magic, certmagic.ACMEIssuer{
			CA: directory, TestCA: directory, Email: p.acme.Email, Agreed: true, TrustedRoots: p.acme.Roots, Logger: zap.NewNop(),
			// Where our own listeners are: certmagic sees that they are taken, and leaves the answers to us.
			ListenHost: hostOf(p.acme.HTTP), AltHTTPPort: int(p.acme.HTTP.Port()), AltTLSALPNPort: int(p.acme.HTTPS.Port()),
		})})
	}
	return list
}

// hostOf is an address to listen on; empty stands for all of them.
func hostOf(a netip.AddrPort) string {
	if !a.Addr().IsValid() || a.Addr().IsUnspecified() {
		return ""
	}
	return a.Addr().String()
}

// issuer asks for nothing that is not ours, whoever wants it, and never asks a terminal.
type issuer struct {
	*certmagic.ACMEIssuer
	ours func(host string) bool
}

// PreCheck is certmagic's question whether a certificate may be asked for.
func (i issuer) PreCheck(ctx context.Context, hosts []string, _ bool) error {
	for _, host := range hosts {
		if !i.ours(host) {
			return fmt.Errorf("%s is not a host of this server", host)
		}
	}
	return i.ACMEIssuer.PreCheck(ctx, hosts, false)
}

// want takes over which hosts there are.
func (p *public) want(hosts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := map[string]bool{}
	for _, host := range hosts {
		now[host] = true
		if p.hosts[host] == nil {
			p.hosts[host] = p.newcomer(host)
		}
	}
	for host := range p.hosts {
		if !now[host] {
			delete(p.hosts, host)
			p.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
		}
	}
	p.hint()
}

func (p *public) newcomer(host string) *wanted {
	if reason := neverPublic(host); reason != "" {
		return &wanted{state: berth.CertificateLocal, message: reason}
	}
	return &wanted{state: berth.CertificateWaiting, message: "not asked for yet", next: p.now()}
}

// neverPublic says why no public issuer is asked for a host, nothing where one is.
func neverPublic(host string) string {
	if !certmagic.SubjectQualifiesForCert(host) || certmagic.SubjectIsInternal(host) {
		return "public issuers give no certificate for this kind of name"
	}
	return ""
}

func (p *public) hint() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// run asks for what is due until ctx ends.
func (p *public) run(ctx context.Context) {
	slots := make(chan struct{}, askedAtOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		due, pause := p.due()
		for _, host := range due {
			p.running.Go(func() {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-slots }()
				p.done(host, p.ask(ctx, host))
			})
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		case <-timer.C:
		}
	}
}

// due takes the hosts whose time has come, and says when the next one's comes.
func (p *public) due() (hosts []string, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	pause = time.Hour
	for host, w := range p.hosts {
		switch wait := w.next.Sub(now); {
		case w.asking || w.next.IsZero():
		case wait <= 0:
			w.asking = true
			hosts = append(hosts, host)
		default:
			pause = min(pause, wait)
		}
	}
	slices.Sort(hosts)
	return hosts, pause
}

// outcome is what became of asking for a host.
type outcome struct {
	state   berth.CertificateState
	message string
	next    time.Time
	unknown bool // to the DNS
}

// ask is one turn for one host: what is stored, else what an issuer gives.
func (p *public) ask(ctx context.Context, host string) outcome {
	if stored, err := p.magic.CacheManagedCertificate(ctx, host); err == nil {
		if stored.NeedsRenewal(p.magic) {
			_ = p.cache.RenewManagedCertificates(ctx) // what becomes of it is an event
		}
		return outcome{state: berth.CertificatePublic}
	}
	if refusal, ok := p.refusals.of(host); ok && p.now().Before(refusal.Next) {
		return outcome{state: berth.CertificateRefused, message: refusal.Message, next: refusal.Next}
	}
	if err := p.acme.Resolves(ctx, host); err != nil {
		return outcome{state: berth.CertificateWaiting, message: "no DNS record leads " + host + " here yet", unknown: true}
	}
	p.saying(host, "an issuer is being asked")
	err := p.magic.ObtainCertSync(ctx, host)
	if err == nil {
		_, err = p.magic.CacheManagedCertificate(ctx, host)
	}
	switch {
	case err == nil:
		p.refusals.forget(host)
		p.note(Note{Host: host, Kind: NoteIssued, Message: host + " has a public certificate"})
		return outcome{state: berth.CertificatePublic}
	case ctx.Err() != nil:
		return outcome{state: berth.CertificateWaiting, next: p.now()}
	}
	return p.refused(host, err)
}

// refused remembers a refusal, so that the issuers are asked less and less often, also by the next server.
func (p *public) refused(host string, err error) outcome {
	refusal := p.refusals.add(host, reasonOf(err), p.now())
	p.note(Note{Host: host, Kind: NoteRefused, Message: fmt.Sprintf("%s has no public certificate, and shows the server's own: %s", host, refusal.Message)})
	return outcome{state: berth.CertificateRefused, message: refusal.Message, next: refusal.Next}
}

// saying replaces what is said of a host that is being asked for.
func (p *public) saying(host, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.hosts[host]; w != nil {
		w.message = message
	}
}

func (p *public) done(host string, o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.hosts[host]
	if w == nil {
		return // it has gone meanwhile
	}
	w.asking, w.state, w.message, w.next = false, o.state, o.message, o.next
	if o.unknown {
		w.next = p.now().Add(unknownPause(w.tries))
		w.tries++
	}
	p.hint()
}

// unknownPause is how long until the DNS is asked again for a host that it does not know: a second while
// somebody is likely to be at it, later half a minute.
func unknownPause(tries int) time.Duration {
	const eager, patient = time.Second, 30 * time.Second
	if tries < 300 {
		return eager
	}
	return patient
}

// onEvent hears certmagic. What is obtained for the first time is ask's to tell.
func (p *public) onEvent(_ context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	if renewal, _ := data["renewal"].(bool); !renewal {
		return nil
	}
	switch event {
	case "cert_obtained":
		p.saying(host, "")
		p.note(Note{Host: host, Kind: NoteRenewed, Message: "the public certificate of " + host + " was renewed"})
	case "cert_failed":
		err, _ := data["error"].(error)
		p.renewalFailed(host, reasonOf(err))
	}
	return nil
}

// renewalFailed is told once for each reason: certmagic tries again and again while the old one lasts.
func (p *public) renewalFailed(host, reason string) {
	message := "it could not be renewed yet: " + reason
	p.mu.Lock()
	w := p.hosts[host]
	known := w == nil || w.message == message
	if w != nil {
		w.message = message
	}
	p.mu.Unlock()
	if !known {
		p.note(Note{Host: host, Kind: NoteRefused, Message: "the public certificate of " + host + " could not be renewed yet: " + reason})
	}
}

// certificate returns the public one of a host, nil where there is none that is good.
func (p *public) certificate(host string) *tls.Certificate {
	now := p.now()
	var best *tls.Certificate
	for _, c := range p.cache.AllMatchingCertificates(host) {
		if now.Before(c.Leaf.NotAfter) && (best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter)) {
			best = &c.Certificate
		}
	}
	return best
}

func (p *public) state(host string) (state berth.Certificate, known bool) {
	p.mu.Lock()
	w, known := p.hosts[host]
	if known {
		state = berth.Certificate{State: w.state, Message: w.message}
	}
	p.mu.Unlock()
	certificate := p.certificate(host)
	switch {
	case certificate != nil:
		state.State, state.Issuer, state.NotAfter = berth.CertificatePublic, issuerName(certificate.Leaf), certificate.Leaf.NotAfter
	case state.State == berth.CertificatePublic: // it ended, and renewing it has failed
		state.State = berth.CertificateRefused
	}
	return state, known
}

// issuerName is who signed a certificate, as people know it.
func issuerName(leaf *x509.Certificate) string {
	name := leaf.Issuer.CommonName
	if len(leaf.Issuer.Organization) > 0 {
		return leaf.Issuer.Organization[0] + " " + name
	}
	return name
}

// challenges answers tokens that are being asked for, at the host for which they are.
func (p *public) challenges(next http.Handler) http.Handler {
	answering, _ := p.magic.Issuers[0].(issuer) // certmagic finds the token whichever issuer asks
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !certmagic.LooksLikeHTTPChallenge(r) || !answering.HandleHTTPChallenge(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func isChallenge(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{challengeProtocol})
}

// answer is what an issuer is shown that asks over TLS; nothing for a host that nobody is asking for.
func (p *public) answer(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate, err := p.magic.GetCertificate(hello)
	if err != nil {
		return nil, nil
	}
	return certificate, nil
}
