// Package welcome is what Berth shows over plain HTTP to whom it does not know yet: how to trust the server's own
// authority, and where to get the command line.
//
// It must not know persons, projects or deployments: all that it shows is for everybody.
package welcome

import (
	"bytes"
	"embed"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Config is what there is to show.
type Config struct {
	Ours        func(host string) bool // hosts, besides addresses, that are the server itself
	CA          func() string          // PEM of the server's own authority
	Fingerprint func() string          // hex SHA-256 of its DER
	Domain      string                 // for which alone it can vouch
	CLI         *CLI
}

// Welcome answers strangers.
type Welcome struct{ Config }

// New returns a Welcome.
func New(c Config) *Welcome { return &Welcome{c} }

//go:embed *.html
var sources embed.FS

var pages = template.Must(template.ParseFS(sources, "*.html"))

// Plain is the handler of the listener without TLS; what is not a stranger's question to the server is next's.
func (w *Welcome) Plain(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /{$}", w.trust)
	mux.HandleFunc("GET /ca.crt", w.ca)
	mux.HandleFunc("GET /install.sh", w.install)
	mux.HandleFunc("GET /cli/{file}", w.cli)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if host, _ := split(r.Host); isAddress(host) || w.Ours(host) {
			mux.ServeHTTP(rw, r)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// split takes a Host header apart; the host is in lower case.
func split(hostport string) (host, port string) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), ""
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")), port
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func (w *Welcome) trust(rw http.ResponseWriter, r *http.Request) {
	page(rw, "trust.html", struct {
		Server, Domain string
		Fingerprint    []string
	}{address(r), w.Domain, inFours(w.Fingerprint())})
}

// inFours makes a fingerprint easy to compare.
func inFours(hex string) (groups []string) {
	for ; len(hex) > 4; hex = hex[4:] {
		groups = append(groups, hex[:4])
	}
	return append(groups, hex)
}

func (w *Welcome) ca(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "application/x-x509-ca-cert") // phones offer to install it
	rw.Header().Set("Content-Disposition", `attachment; filename="berth-ca.crt"`)
	rw.Header().Set("Cache-Control", "no-store")
	_, _ = rw.Write([]byte(w.CA())) // nobody is left to hear of an error
}

// address is where the client found this server.
func address(r *http.Request) string {
	host, port := split(r.Host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return "http://" + host
}

func (w *Welcome) cli(rw http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	if file == sumsFile {
		sums, err := w.CLI.Sums()
		if err != nil {
			http.Error(rw, "The checksums cannot be made.", http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write([]byte(sums))
		return
	}
	path, ok := w.CLI.find(strings.TrimSuffix(file, ".exe"))
	if !ok {
		http.Error(rw, "This server has no berth command for "+known(file)+". Copy the binary from where Berth was built (make dist), into cli/ of the data directory.", http.StatusNotFound)
		return
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	http.ServeFile(rw, r, path)
}

// known repeats only what we could have said ourselves.
func known(file string) string {
	if platform := strings.TrimSuffix(file, ".exe"); isPlatform(platform) {
		return platform
	}
	return "that system"
}

func page(rw http.ResponseWriter, name string, data any) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(rw, "This page cannot be made.", http.StatusInternalServerError)
		return
	}
	header := rw.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Robots-Tag", "noindex")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = rw.Write(out.Bytes())
}
