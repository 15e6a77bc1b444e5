package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// host is a certificate of the authority for a name.
func (a authority) host(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(3), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestAnswerIsVerified: a host that no resolver knows is asked at the server's address, by its own name
// and against the server's authority; who cannot show its certificate is told nothing and has not answered.
func TestAnswerIsVerified(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	var asked atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Host)
		w.WriteHeader(http.StatusTeapot)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ours.host(t, "web.berth.invalid")}}
	s.StartTLS()
	defer s.Close()
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	reach := Reach{CA: encode(ours.cert), Server: "127.0.0.1"}
	status, err := reach.Answer(t.Context(), "https://web.berth.invalid"+port+"/")
	if err != nil || status != http.StatusTeapot || asked.Load() != "web.berth.invalid"+port {
		t.Errorf("%d, %v; %v was asked", status, err, asked.Load())
	}
	asked.Store("nobody")
	for what, c := range map[string]struct {
		reach Reach
		host  string
	}{
		"another authority": {Reach{CA: encode(others.cert), Server: "127.0.0.1"}, "web.berth.invalid"},
		"no authority":      {Reach{Server: "127.0.0.1"}, "web.berth.invalid"},
		"another name":      {reach, "api.berth.invalid"},
		"no address":        {Reach{CA: reach.CA}, "web.berth.invalid"},
	} {
		if _, err := c.reach.Answer(t.Context(), "https://"+c.host+port+"/"); berth.CodeOf(err) != berth.EUnavailable || asked.Load() != "nobody" {
			t.Errorf("%s: %v; %v was asked", what, err, asked.Load())
		}
	}
}
