package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth/ingress"
	"github.com/berth-dev/berth/proxy"
	"github.com/berth-dev/berth/requestlog"
)

// contender is a process of this program, started anew for (f): what answers behind the proxies, Berth's
// proxy as the daemon sets it up, or Go's plain one.
type contender struct {
	kind, listen, target, dir string
}

const benchHost = "bench.berth.localhost"

func (c contender) run(ctx context.Context) error {
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	certificate := func() (tls.Certificate, error) {
		return tls.LoadX509KeyPair(filepath.Join(c.dir, "cert.pem"), filepath.Join(c.dir, "key.pem"))
	}
	var server *http.Server
	switch c.kind {
	case "target":
		server = &http.Server{Handler: answering(make([]byte, 1<<20))}
		go func() { _ = server.Serve(listener) }()
	case "plain":
		server = &http.Server{Handler: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: c.target})
				r.Out.Host = r.In.Host
				r.SetXForwarded()
			},
			Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		}}
	case "berth":
		log := requestlog.New(requestlog.Config{Dir: filepath.Join(c.dir, "requests")})
		defer func() { _ = log.Close() }()
		p := proxy.New(proxy.Config{Record: func(r proxy.Record) { log.Add(ingress.RequestOf(r)) }})
		dial := func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", c.target)
		}
		p.Swap(&proxy.Table{Hosts: map[string]*proxy.Route{benchHost: {Key: "bench/web", Targets: []proxy.Target{{ID: "a", Port: 80, Dial: dial}}}}})
		server = proxy.NewServer(p, slog.New(slog.DiscardHandler))
	default:
		return errors.New("there is no such contender")
	}
	if c.kind != "target" {
		pair, err := certificate()
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		go func() { _ = server.ServeTLS(listener, "", "") }()
	}
	<-ctx.Done()
	return server.Close()
}

// answering answers with a kilobyte of itself, a megabyte, or what comes by a WebSocket.
type answering []byte

func (a answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/1k":
		a.write(w, 1<<10)
	case "/1m":
		a.write(w, 1<<20)
	case "/ws":
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		message := make([]byte, maskedEcho)
		for {
			if _, err := io.ReadFull(buffer, message); err != nil {
				return
			}
			echo := append([]byte{message[0], message[1] &^ 0x80}, message[6:]...) // the mask is zeros
			if _, err := conn.Write(echo); err != nil {
				return
			}
		}
	}
}

func (a answering) write(w http.ResponseWriter, size int) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(size))
	_, _ = w.Write(a[:size])
}

// echoed and maskedEcho are the sizes of a message's frame from the server and from the client.
const (
	echoPayload = 100
	echoed      = 2 + echoPayload
	maskedEcho  = 6 + echoPayload
)

// writeCertificate makes one for all contenders.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: benchHost}, DNSNames: []string{benchHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// configure writes what Caddy and nginx are told: the same keep-alive, an access log, no more.
func configure(dir, target string, caddy, nginx string) error {
	fill := strings.NewReplacer("DIR", dir, "TARGET", target, "CADDY", caddy, "NGINX", nginx, "HOST", benchHost)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(fill.Replace(`{
	admin off
	auto_https off
	servers {
		protocols h1 h2
	}
}
https://HOST:CADDY {
	bind 127.0.0.1
	tls DIR/cert.pem DIR/key.pem
	log {
		output file DIR/caddy.log
	}
	reverse_proxy TARGET
}
`)), 0o600),
		os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(fill.Replace(`daemon off;
user root;
worker_processes auto;
pid DIR/nginx.pid;
error_log DIR/nginx-error.log;
events { worker_connections 1024; }
http {
	access_log DIR/nginx.log;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	keepalive_requests 1000000;
	map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
	upstream target { server TARGET; keepalive 64; keepalive_requests 1000000; }
	server {
		listen 127.0.0.1:NGINX ssl http2;
		server_name HOST;
		ssl_certificate DIR/cert.pem;
		ssl_certificate_key DIR/key.pem;
		location / {
			proxy_pass http://target;
			proxy_http_version 1.1;
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
		}
	}
}
`)), 0o600))
}
