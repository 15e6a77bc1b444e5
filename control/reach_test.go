package control_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/sqlite"
)

func TestServerIsClaimedByTheFirstLogin(t *testing.T) {
	w := newWorld(t)
	w.Install = func() string { return "curl …" }
	if who := must[berth.Whoami](t)(w.owner.Whoami(t.Context())); who.Claimed {
		t.Error("claimed before anybody has logged in")
	}
	link := must[berth.LoginLink](t)(w.owner.CreateLoginLink(t.Context(), ""))
	if link.Install != "curl …" {
		t.Errorf("the link says how to install: %q", link.Install)
	}
	if who := must[berth.Whoami](t)(w.owner.Whoami(t.Context())); who.Claimed {
		t.Error("claimed by a link that nobody has used")
	}
	_, rest, _ := strings.Cut(link.URL.Reveal(), "#")
	secret, _, _ := strings.Cut(rest, ".")
	if _, _, err := w.Login(t.Context(), berth.NewSecret(secret), berth.LoginClient{}); err != nil {
		t.Fatal(err)
	}
	if who := must[berth.Whoami](t)(w.owner.Whoami(t.Context())); !who.Claimed {
		t.Error("not claimed by a login")
	}
}

func TestDeploymentShowsTheCertificatesOfItsHosts(t *testing.T) {
	w := newWorld(t)
	w.Certificate = func(host string) berth.Certificate {
		return berth.Certificate{Issuer: "issuer of " + host, State: berth.CertificatePublic}
	}
	w.project(t, "shop")
	d := w.deployment(t, "shop", "main", "production")
	w.update(t, func(tx *sqlite.Tx) error {
		return tx.AddHost(berth.Host{Deployment: d.ID, Element: "web", Identifier: "app", Label: "web-" + d.Slug})
	})
	shown := must[berth.Deployment](t)(w.owner.Deployment(t.Context(), d.Slug))
	if len(shown.Hosts) != 1 || shown.Hosts[0].Certificate.Issuer != "issuer of web-"+d.Slug+".test" {
		t.Errorf("%+v", shown.Hosts)
	}
}
