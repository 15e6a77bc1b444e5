package core

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	publicHost  = "web-main-shop.berth.test"
	maxTestMail = 64 << 10
)

// world is a Core with one open deployment, and what a container there needs to talk to it.
type world struct {
	*Core
	inbox *letters
	dir   string
	roots *x509.CertPool
}

func newWorld(t *testing.T, deployments ...berth.ID) world {
	t.Helper()
	w := world{inbox: &letters{}, dir: t.TempDir(), roots: x509.NewCertPool()}
	answer := func(scheme string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			fmt.Fprintf(w, "%s %s from %s tls=%v", scheme, r.Host, host, r.TLS != nil)
		})
	}
	w.Core = New(Config{RunDir: w.dir, TLS: &tls.Config{Certificates: []tls.Certificate{w.certificate(t)}}, HTTPS: answer("https"), HTTP: answer("http"), Inbox: w.inbox, MaxMail: maxTestMail})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Sync(deployments); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{publicHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	w.roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (w world) socket(id berth.ID) string {
	return filepath.Join(w.dir, string(id), "net", agentwire.SocketFile)
}

// dial does what berth-agent does for a container that dials a port.
func (w world) dial(t *testing.T, id berth.ID, header string) (net.Conn, error) {
	t.Helper()
	conn, err := net.Dial("unix", w.socket(id))
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, header); err != nil {
		return nil, err
	}
	return conn, nil
}

func header(port int) string {
	line, _ := json.Marshal(agentwire.Header{Port: port, Remote: "172.30.0.7"})
	return string(line) + "\n"
}

// client is a program in a container of the deployment.
func (w world) client(t *testing.T, id berth.ID) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: w.roots},
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			_, port, _ := strings.Cut(address, ":")
			return w.dial(t, id, header(map[string]int{"80": 80, "443": 443}[port]))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func fetch(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestStreamsReachTheServerOfTheirPort(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa")
	client := w.client(t, "aaaaaaaaaa")
	for url, want := range map[string]string{
		"https://" + publicHost + "/": "https " + publicHost + " from 172.30.0.7 tls=true",
		"http://" + publicHost + "/":  "http " + publicHost + " from 172.30.0.7 tls=false",
		"http://core.diploi/healthz":  `{"status":"ok"}` + "\n",
		"http://core.berth/healthz":   `{"status":"ok"}` + "\n",
	} {
		if status, body := fetch(t, client, url); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", url, status, body, want)
		}
	}
	status, body := fetch(t, client, "http://CORE.diploi./anything")
	if status != 404 || !json.Valid([]byte(body)) {
		t.Errorf("unknown path of core: %d %q", status, body)
	}
}

func TestBytesThatCameWithTheHeaderArrive(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa")
	conn, err := w.dial(t, "aaaaaaaaaa", header(80)+"GET /healthz HTTP/1.1\r\nHost: core.diploi\r\nConnection: close\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestBadHeadersEndTheStream(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa")
	for name, line := range map[string]string{
		"no JSON":      "hello\n",
		"other port":   `{"port":22}` + "\n",
		"no port":      "{}\n",
		"endless line": strings.Repeat("x", maxHeaderLine+1),
		"wrong type":   `{"port":"80"}` + "\n",
	} {
		conn, err := w.dial(t, "aaaaaaaaaa", line)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(headerDeadline / 2)) // sooner than a slow header's end
		if n, err := conn.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
			t.Errorf("%s: read %d bytes, %v", name, n, err)
		}
		conn.Close()
	}
	if status, _ := fetch(t, w.client(t, "aaaaaaaaaa"), "http://core.diploi/healthz"); status != 200 {
		t.Error("the socket does not work any more")
	}
}

func TestSyncOpensReplacesAndCloses(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa", "bbbbbbbbbb")
	info, err := os.Stat(w.socket("aaaaaaaaaa"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o666 {
		t.Errorf("core's user cannot connect: %v", info.Mode())
	}
	// A stream that is open ends with its deployment, wherever it has got to.
	conn, err := w.dial(t, "bbbbbbbbbb", header(80)+"GET /healthz HTTP/1.1\r\nHost: core.diploi\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer := bufio.NewReader(conn)
	response, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if err := w.Sync([]berth.ID{"aaaaaaaaaa"}); err != nil {
		t.Fatal(err)
	}
	if _, err := answer.ReadByte(); err == nil || os.IsTimeout(err) {
		t.Errorf("the stream outlived its deployment: %v", err)
	}
	if _, err := os.Stat(w.socket("bbbbbbbbbb")); !os.IsNotExist(err) {
		t.Errorf("the closed socket is still there: %v", err)
	}
	// What stays open is the same socket.
	again, err := os.Stat(w.socket("aaaaaaaaaa"))
	if err != nil || !os.SameFile(info, again) {
		t.Error("the open socket was replaced")
	}
	// One that somebody took away is made again.
	if err := os.Remove(w.socket("aaaaaaaaaa")); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync([]berth.ID{"aaaaaaaaaa"}); err != nil {
		t.Fatal(err)
	}
	if status, _ := fetch(t, w.client(t, "aaaaaaaaaa"), "http://core.diploi/healthz"); status != 200 {
		t.Error("the new socket does not answer")
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	w := newWorld(t)
	path := w.socket("aaaaaaaaaa")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false) // as kill -9 leaves it
	stale.Close()
	if err := w.Sync([]berth.ID{"aaaaaaaaaa"}); err != nil {
		t.Fatal(err)
	}
	if status, _ := fetch(t, w.client(t, "aaaaaaaaaa"), "http://core.diploi/healthz"); status != 200 {
		t.Error("no answer")
	}
}

func TestOneBadDirectoryDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.dir, "bad"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync([]berth.ID{"bad", "aaaaaaaaaa"}); err == nil {
		t.Error("no error for a file in the place of a directory")
	}
	if status, _ := fetch(t, w.client(t, "aaaaaaaaaa"), "http://core.diploi/healthz"); status != 200 {
		t.Error("the other deployment has no socket")
	}
	if err := os.Remove(filepath.Join(w.dir, "bad")); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync([]berth.ID{"bad", "aaaaaaaaaa"}); err != nil {
		t.Errorf("not tried again: %v", err)
	}
}

func TestTooLongPathIsSaid(t *testing.T) {
	_, err := listen("aaaaaaaaaa", "/"+strings.Repeat("x", maxSocketPath))
	if berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("got %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(header(443)))
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"port":80,"remote":"fe80::1%eth0"}` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		parsed, err := parseHeader(line)
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(remoteOf(parsed).String()); err != nil {
			t.Errorf("%q gives the address %q", line, remoteOf(parsed))
		}
	})
}
