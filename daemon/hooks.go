package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"github.com/berth-dev/berth/forge"
	"github.com/berth-dev/berth/hooks"
)

// hooks hears what Git hosts deliver and whom a deploy hook was given, beside next.
func (d *Daemon) hooks(next http.Handler) http.Handler {
	ours := hooks.New(hooks.Config{Take: d.control.TakeDelivery, Deploy: d.control.DeployByHook, Log: d.log})
	return beside(hooks.Prefix, ours, next)
}

// readDelivery is forge's, as control asks for it.
func readDelivery(header http.Header, body []byte, secret berth.Secret) (push bool, branch string, err error) {
	delivery, err := forge.ReadDelivery(header, body, secret)
	return delivery.Push, delivery.Branch, err
}

func (d *Daemon) hookURL(path string) string { return d.names.consoleURL() + hooks.Prefix + path }

func (d *Daemon) deployHookURL(slug, token string) string {
	return d.names.consoleURL() + hooks.DeployPath(slug, token)
}

func (d *Daemon) buildsURL(slug string) string {
	return d.names.consoleURL() + apiwire.Prefix + "/deployments/" + slug + "/builds"
}

func (d *Daemon) releasesPage(slug string) string {
	return d.names.consoleURL() + "/deployments/" + slug + "/releases"
}

// newReporter reaches Git hosts as the machine's git does: it trusts what that trusts.
func newReporter() *forge.Reporter {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if more, err := os.ReadFile(os.Getenv("GIT_SSL_CAINFO")); err == nil {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		roots.AppendCertsFromPEM(more)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &forge.Reporter{Client: forge.NewClient(transport)}
}
