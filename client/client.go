// Package client is berth.Service over HTTP: the same contract as the server's, so that the command line
// and the tests drive either. It speaks to a server elsewhere over TLS with a pinned authority, and to the
// one on its own machine over the Unix socket.
//
// It must not know where its settings come from, and prints nothing.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
)

// Config says which server to speak to and as whom. Either Socket is set, or URL.
type Config struct {
	Socket string       // path of the server's Unix socket
	URL    string       // https://…, without a path
	CA     string       // PEM of the authority that signs the server's certificate; empty: the system's
	Token  berth.Secret // empty over the socket, where the kernel says who asks
}

// Client is a server, seen from elsewhere.
type Client struct {
	base  string
	token berth.Secret
	http  *http.Client
}

var _ berth.Service = (*Client)(nil)

// dialTime is how long a server may take to accept a connection.
const dialTime = 10 * time.Second

// New returns a client. It connects when it is first used.
func New(c Config) (*Client, error) {
	transport := &http.Transport{
		Proxy:               proxy,
		DialContext:         dial,
		TLSHandshakeTimeout: dialTime,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
	}
	base := strings.TrimSuffix(c.URL, "/")
	switch {
	case c.Socket != "":
		base = "http://berth.socket"
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "unix", c.Socket)
		}
	case !strings.HasPrefix(base, "https://"):
		return nil, berth.Errorf(berth.EInvalid, "the server's URL must start with https://, not %q", base)
	case c.CA != "":
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, berth.Errorf(berth.EInvalid, "the stored certificate authority is not PEM: log in again with berth login LINK")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: pinnedProtocols()}
		transport.DialTLSContext = dialTLS(transport.TLSClientConfig) // net/http leaves the protocols out for WebSockets
	}
	return &Client{base: base, token: c.Token, http: &http.Client{Transport: transport, CheckRedirect: noRedirect}}, nil
}

// pinnedProtocols ask for the certificate of the server's own authority, where there may be a public one too.
func pinnedProtocols() []string { return []string{"http/1.1", berth.PinnedProtocol} }

// noRedirect keeps a token from being sent anywhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// at makes a path of the API; each part is escaped.
func at(parts ...string) string {
	var b strings.Builder
	b.WriteString(apiwire.Prefix)
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, body io.Reader, contentType string) (*http.Request, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if !c.token.Empty() {
		r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return r, nil
}

// send makes a request and returns the answer of one that went well. The caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body io.Reader, contentType string) (*http.Response, error) {
	r, err := c.request(ctx, method, path, query, body, contentType)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode >= 300 {
		defer func() { _ = response.Body.Close() }()
		return nil, problem(response)
	}
	return response, nil
}

// unreachable says what to do about a server that does not answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	switch {
	case errors.As(err, &unknown), errors.As(err, &hostname):
		return coded(berth.EUnavailable, err, "the server at "+c.base+" does not show the certificate it should: log in again with a fresh link, berth login LINK")
	case strings.HasPrefix(c.base, "http://"):
		return coded(berth.EUnavailable, err, "the Berth server on this machine does not answer: berth doctor says why (as root)")
	}
	return coded(berth.EUnavailable, err, "the Berth server at "+c.base+" does not answer: "+reason(err))
}

// reason is the end of a chain of wrapped errors, which says most in the fewest words.
func reason(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			return op.Error()
		}
		err = inner
	}
}

func coded(code berth.Code, cause error, message string) error {
	return &berth.Error{Code: code, Message: message, Err: cause}
}

// maxProblem bounds what is read of an error.
const maxProblem = 1 << 20

func problem(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var p apiwire.Problem
	if json.Unmarshal(text, &p) != nil || p.Code == "" {
		return berth.Errorf(berth.EUnavailable, "the server answered %s, which is not Berth's way to say what is wrong: is something between you and it?", response.Status)
	}
	return p.Err()
}

// call sends in as JSON, unless it is nil, and reads the answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	contentType := ""
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		body, contentType = bytes.NewReader(text), "application/json"
	}
	response, err := c.send(ctx, method, path, query, body, contentType)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return read(response, out)
}

func read(response *http.Response, out any) error {
	if out == nil {
		_, err := io.Copy(io.Discard, response.Body)
		return err
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// text reads an answer that is not JSON.
func (c *Client) text(ctx context.Context, path string, query url.Values) (string, error) {
	response, err := c.send(ctx, http.MethodGet, path, query, nil, "")
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}
