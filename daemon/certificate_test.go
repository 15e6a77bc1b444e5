package daemon

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/certs"
	"github.com/berth-dev/berth/sqlite"
)

func TestOnlyNamesOneLabelBelowTheBaseDomainShareTheWildcardsCertificate(t *testing.T) {
	n := names{domain: "apps.example.com"}
	serves := func(host string) bool { return host == "web-prod-shop.apps.example.com" }
	for asked, want := range map[string]string{
		"web-prod-shop.apps.example.com": "web-prod-shop.apps.example.com",
		"nobody.apps.example.com":        "*.apps.example.com",
		"Nobody.Apps.Example.com.":       "*.apps.example.com",
		"a.b.apps.example.com":           "a.b.apps.example.com",
		"apps.example.com":               "apps.example.com",
		"evil.com":                       "evil.com",
		"":                               "",
	} {
		var got string
		_, err := certificateFor(&tls.ClientHelloInfo{ServerName: asked}, n, serves, func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			got = h.ServerName
			return nil, nil
		})
		if err != nil || got != want {
			t.Errorf("%q asks for the certificate of %q, want %q (%v)", asked, got, want, err)
		}
	}
}

func TestNewsOfACertificateAreEventsOfItsDeployment(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	d := &Daemon{store: store, names: names{domain: "apps.example.com"}, log: slog.New(slog.DiscardHandler)}
	p := berth.Project{ID: berth.NewID(), Name: "shop", DefaultBranch: "main"}
	main := berth.Deployment{ID: berth.NewID(), ProjectID: p.ID, Name: "main", Slug: "main-shop", Stage: "production",
		Kind: berth.KindBuild, Branch: "main", Size: berth.DefaultSize, Desire: berth.DesireRun}
	if err := store.Update(t.Context(), func(tx *sqlite.Tx) error {
		return errors.Join(tx.CreateProject(p), tx.CreateDeployment(main),
			tx.AddHost(berth.Host{Deployment: main.ID, Element: "web", Identifier: "app", Label: "web-main-shop"}),
			tx.AddDomain(berth.Domain{Name: "*.shop.example.org", ProjectID: p.ID, Proven: true}))
	}); err != nil {
		t.Fatal(err)
	}
	d.noteCertificate(certs.Note{Host: "web-main-shop.apps.example.com", Kind: certs.NoteIssued, Message: "issued"})
	d.noteCertificate(certs.Note{Host: "web-main-shop.shop.example.org", Kind: "certificate.below", Message: "issued"})
	d.noteCertificate(certs.Note{Host: "web-other.shop.example.org", Kind: "certificate.nobodys", Message: "issued"})
	d.noteCertificate(certs.Note{Host: "console.apps.example.com", Kind: certs.NoteRefused, Message: "refused"})
	var got []berth.Event
	if err := store.View(t.Context(), func(tx *sqlite.Tx) (err error) {
		got, err = tx.Events(berth.Everything(), "", 0, 10)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	of := map[string]berth.ID{}
	for _, e := range got {
		of[e.Kind] = e.Deployment
	}
	if id, known := of["certificate.issued"]; !known || id != main.ID {
		t.Errorf("issued belongs to %q: %+v", id, got)
	}
	if of["certificate.below"] != main.ID || of["certificate.nobodys"] != "" {
		t.Errorf("below a project's domain: %+v", got)
	}
	if id, known := of["certificate.refused"]; !known || id != "" {
		t.Errorf("refused belongs to %q: %+v", id, got)
	}
}
