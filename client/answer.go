package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/berth-dev/berth"
)

// Reach says how to get to the hosts of deployments.
type Reach struct {
	CA     string // PEM of the server's own authority, trusted beside the system's; may be empty
	Server string // name or address of the server: asked where a host's name does not resolve here
}

// Answer asks a host of a deployment for its first page and returns the status of the answer. The
// connection is verified: an answer from anybody else is an error.
func (r Reach) Answer(ctx context.Context, url string) (status int, err error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if r.CA != "" && !roots.AppendCertsFromPEM([]byte(r.CA)) {
		return 0, berth.Errorf(berth.EInvalid, "the server's certificate authority is not PEM")
	}
	transport := &http.Transport{
		Proxy: proxy, DialContext: r.dial, TLSHandshakeTimeout: dialTime, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	response, err := (&http.Client{Transport: transport, CheckRedirect: noRedirect}).Do(request)
	if err != nil {
		return 0, berth.Errorf(berth.EUnavailable, "%s does not answer: %s", url, reason(err))
	}
	return response.StatusCode, response.Body.Close()
}

// dial connects to a host, and to the server itself where nobody knows the host's name.
func (r Reach) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	var unknown *net.DNSError
	if r.Server == "" || !errors.As(err, &unknown) {
		return conn, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return dial(ctx, network, net.JoinHostPort(r.Server, port))
}
