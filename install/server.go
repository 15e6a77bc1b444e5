package install

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/client"
	"github.com/berth-dev/berth/machine"
)

// answering is how long a server that runs may take to answer a question.
const answering = 5 * time.Second

// whoami asks the server behind a socket who it is.
func whoami(ctx context.Context, socket string) (berth.Whoami, error) {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	c, err := client.New(client.Config{Socket: socket})
	if err != nil {
		return berth.Whoami{}, err
	}
	defer c.Close()
	return c.Whoami(ctx)
}

// serverFacts asks the server everything that doctor wants to know.
func serverFacts(ctx context.Context, socket, httpAddress, httpsAddress string, now time.Time) *machine.Server {
	who, err := whoami(ctx, socket)
	if err != nil {
		return &machine.Server{Error: berth.MessageOf(err)}
	}
	s := &machine.Server{Answers: true, Version: who.Version, ConsoleURL: who.ConsoleURL}
	s.CacheBytes, s.CacheBudget = buildCache(ctx, socket)
	roots := trusted(ctx, socket)
	console, err := url.Parse(who.ServerURL)
	if err != nil {
		return s
	}
	s.Certificate, err = handshake(ctx, near(httpsAddress), console.Hostname(), roots, now)
	if err != nil {
		s.Unreachable = append(s.Unreachable, fmt.Sprintf("%s: %v", httpsAddress, err))
	}
	if err := answersHTTP(ctx, near(httpAddress)); err != nil {
		s.Unreachable = append(s.Unreachable, fmt.Sprintf("%s: %v", httpAddress, err))
	}
	return s
}

// buildCache asks for the size of the engine's build cache and its budget; zero: the server does not say.
func buildCache(ctx context.Context, socket string) (used, budget int64) {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	c, err := client.New(client.Config{Socket: socket})
	if err != nil {
		return 0, 0
	}
	defer c.Close()
	cache, err := c.BuildCache(ctx)
	if err != nil {
		return 0, 0
	}
	return cache.UsedBytes, cache.BudgetBytes
}

// trusted are the machine's authorities and the server's own.
func trusted(ctx context.Context, socket string) *x509.CertPool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	c, err := client.New(client.Config{Socket: socket})
	if err != nil {
		return roots
	}
	defer c.Close()
	if pem, err := c.CA(ctx); err == nil {
		roots.AppendCertsFromPEM([]byte(pem))
	}
	return roots
}

// near is where this machine reaches what listens on an address.
func near(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// handshake looks at the certificate that a host shows, and whether a client would accept it.
func handshake(ctx context.Context, address, host string, roots *x509.CertPool, now time.Time) (machine.Certificate, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: answering}, Config: &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12,
		// Verified below: a certificate that is refused is looked at, too. Nothing is sent.
		InsecureSkipVerify: true,
	}}
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return machine.Certificate{}, err
	}
	defer func() { _ = conn.Close() }()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	c := machine.Certificate{Seen: true, NotBefore: chain[0].NotBefore, NotAfter: chain[0].NotAfter}
	between := x509.NewCertPool()
	for _, further := range chain[1:] {
		between.AddCert(further)
	}
	// What time it is is judged apart.
	at := now
	if at.Before(c.NotBefore) || at.After(c.NotAfter) {
		at = c.NotBefore.Add(time.Minute)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: at}); err != nil {
		c.Error = err.Error()
	}
	return c, nil
}

// answersHTTP reports whether anything speaks HTTP there, whatever it says.
func answersHTTP(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
