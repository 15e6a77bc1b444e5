package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/apiwire"
	"golang.org/x/sys/unix"
)

type (
	serviceKey struct{}
	requestKey struct{}
	peerKey    struct{}
)

// peer is who connected to the Unix socket.
type peer struct {
	uid   int
	known bool
}

// PeerContext is the ConnContext of the server on the Unix socket: it asks the kernel who connected.
func PeerContext(ctx context.Context, conn net.Conn) context.Context {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	var p peer
	if rawConn, err := local.SyscallConn(); err == nil {
		_ = rawConn.Control(func(fd uintptr) {
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				p = peer{uid: int(cred.Uid), known: true}
			}
		})
	}
	return context.WithValue(ctx, peerKey{}, p)
}

func peerOf(ctx context.Context) (p peer, local bool) {
	p, local = ctx.Value(peerKey{}).(peer)
	return p, local
}

func serviceOf(ctx context.Context) berth.Service {
	s, _ := ctx.Value(serviceKey{}).(berth.Service)
	return s
}

func requestOf(ctx context.Context) string {
	s, _ := ctx.Value(requestKey{}).(string)
	return s
}

// recovered answers a panic with a problem and logs it; the connection of a stream that began is cut.
func (a *api) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				a.Log.ErrorContext(r.Context(), "request panicked", "request", r.Method+" "+r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
				writeProblem(w, problemOf(fmt.Errorf("panic")))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// sameSite refuses requests over the network that name a host which is not ours (a rebound DNS name), and
// those that a page of another origin sent: applications live on sibling hosts of the console.
func (a *api) sameSite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, local := peerOf(r.Context()); local {
			next.ServeHTTP(w, r)
			return
		}
		switch host := hostOf(r.Host); {
		case !a.OurHost(host):
			p := problemOf(berth.Errorf(berth.EInvalid, "this server's API is not at %s", host))
			p.Status, p.Title = http.StatusMisdirectedRequest, http.StatusText(http.StatusMisdirectedRequest)
			writeProblem(w, p)
		case crossSite(r, host):
			a.fail(w, r, berth.Errorf(berth.EForbidden, "the API does not answer pages of other origins"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// crossSite believes what browsers say of where a request comes from. Other clients say nothing.
func crossSite(r *http.Request, host string) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err != nil || u.Hostname() != host
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

// open answers the few requests that need nobody.
func (a *api) open(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, local := peerOf(r.Context())
		switch {
		case local && r.URL.Path == "/healthz":
			_, _ = w.Write([]byte("ok\n"))
		case r.Method == http.MethodPost && r.URL.Path == apiwire.Prefix+"/login":
			a.login(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// authenticated lets nobody through who is not known.
func (a *api) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := a.caller(r)
		if err != nil {
			if berth.CodeOf(err) == berth.EUnauthenticated {
				w.Header().Set("WWW-Authenticate", `Bearer realm="berth"`)
			}
			a.fail(w, r, err)
			return
		}
		ctx := context.WithValue(r.Context(), serviceKey{}, a.Service(caller))
		ctx = context.WithValue(ctx, requestKey{}, r.Method+" "+r.URL.Path)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// caller says who asks: the bearer of a token, or whoever the kernel says is at the other end of the socket.
func (a *api) caller(r *http.Request) (berth.Caller, error) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return a.Authenticate(r.Context(), berth.NewSecret(strings.TrimSpace(token)))
	}
	p, local := peerOf(r.Context())
	switch {
	case local && p.known && (p.uid == 0 || slices.Contains(a.OwnerUIDs, p.uid)):
		return a.Machine(r.Context())
	case local:
		return berth.Caller{}, berth.Errorf(berth.EUnauthenticated, "the server's socket is for root and the server's owner: use sudo, or berth login LINK")
	}
	return berth.Caller{}, berth.Errorf(berth.EUnauthenticated, "nobody is logged in: run berth login LINK with a link from berth login-link")
}
