package proxy

import (
	"net"
	"net/http"
	"strconv"
)

// Plain returns the handler for a listener without TLS: it sends people to HTTPS at httpsPort.
// Hosts that may answer without do so, and so do hosts that do not exist: they have no
// certificate to be redirected to.
func (p *Proxy) Plain(httpsPort int) http.Handler { return p.plain(httpsPort, p, true) }

// PlainApplications is to Plain what Applications is to the proxy.
func (p *Proxy) PlainApplications(httpsPort int) http.Handler {
	return p.plain(httpsPort, p.Applications(), false)
}

func (p *Proxy) plain(httpsPort int, answer http.Handler, front bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostname(r.Host)
		p.mu.Lock()
		route, _ := p.find(host)
		p.mu.Unlock()
		// A proxy in front may have ended TLS.
		if route == nil || route.PlainHTTP || p.originOf(r, front).proto == "https" {
			answer.ServeHTTP(w, r)
			return
		}
		if httpsPort != 443 {
			host = net.JoinHostPort(host, strconv.Itoa(httpsPort))
		}
		redirect(w, r, "https", host)
	})
}

// redirectToHost keeps scheme and port: the new host answers where the former did.
func redirectToHost(w http.ResponseWriter, r *http.Request, proto, host string) {
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		host = net.JoinHostPort(host, port)
	}
	redirect(w, r, proto, host)
}

// redirect keeps method, body, path and query.
func redirect(w http.ResponseWriter, r *http.Request, scheme, host string) {
	// Not http.Redirect, which would tidy the path and answer with a page of its own.
	w.Header().Set("Location", scheme+"://"+host+r.URL.RequestURI())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusPermanentRedirect)
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
