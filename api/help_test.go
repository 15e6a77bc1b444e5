package api_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

// httptest's certificate is its own authority.
func certificatePEM(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func fingerprint(s *httptest.Server) string {
	sum := sha256.Sum256(s.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}

// somebodysProject makes a running deployment, a build and a token that belong to the owner.
func (s *server) somebodysProject(t *testing.T) (d berth.Deployment, build, token berth.ID) {
	t.Helper()
	ctx, owner := t.Context(), s.control.As(s.owner)
	_, err := owner.CreateProject(ctx, berth.NewProject{Name: "shop"})
	if err == nil {
		_, err = owner.ImportRepository(ctx, "shop", strings.NewReader(bundle))
	}
	if err == nil {
		d, err = owner.CreateDeployment(ctx, "shop", berth.NewDeployment{Name: "web", Stage: "production"})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.runs(t, d)
	build = berth.NewID()
	if err := s.store.Update(ctx, func(tx *sqlite.Tx) error {
		stored, err := tx.DeploymentByID(berth.Everything(), d.ID)
		return errors.Join(err, tx.CreateBuild(berth.Build{ID: build, Project: stored.ProjectID, Deployment: d.ID, Element: "web", State: berth.BuildSucceeded}))
	}); err != nil {
		t.Fatal(err)
	}
	created, _, err := owner.CreateToken(ctx, berth.NewToken{Name: "mine", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return d, build, created.ID
}

func (s *server) member(t *testing.T, person berth.ID, d berth.Deployment, role berth.Role) {
	t.Helper()
	if err := s.store.Update(t.Context(), func(tx *sqlite.Tx) error {
		stored, err := tx.DeploymentByID(berth.Everything(), d.ID)
		return errors.Join(err, tx.PutMembership(berth.Membership{Person: person, Project: stored.ProjectID, Role: role}))
	}); err != nil {
		t.Fatal(err)
	}
}

// snapshot is all that a person could have changed, as one text.
func (s *server) snapshot(t *testing.T, d berth.Deployment) string {
	t.Helper()
	ctx, owner := t.Context(), s.control.As(s.owner)
	projects, err1 := owner.Projects(ctx)
	now, err2 := owner.Deployment(ctx, d.Slug)
	environment, err3 := owner.Environment(ctx, d.Slug, "")
	builds, err4 := owner.Builds(ctx, d.Slug)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{projects, now, environment, builds})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// trusting is a plain HTTP client that knows the server's certificate.
func trusting(ca string) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca))
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}
