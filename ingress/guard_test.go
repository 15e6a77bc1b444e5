package ingress

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// ask asks a host with a password ("" is none) from an address, and returns the status.
func (w *world) ask(host, password, from string) int {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil)
	r.RemoteAddr = from + ":4000"
	if password != "" {
		r.SetBasicAuth("anybody", password)
	}
	recorder := httptest.NewRecorder()
	w.proxy.ServeHTTP(recorder, r)
	return recorder.Code
}

func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := berth.HashPassword(berth.NewSecret(password))
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestProtectionHoldsForAHostAndItsDomains(t *testing.T) {
	for _, kind := range []berth.StageKind{berth.KindBuild, berth.KindDevelopment} {
		w := serving(t)
		w.store.deployments[0].Kind = kind
		w.store.protected = []berth.Protection{
			{Deployment: "shop000000", Hash: hashOf(t, "for all of it")},
			{Deployment: "shop000000", Element: "web", Identifier: "web", Hash: hashOf(t, "for the web"), Allow: []string{"198.51.100.0/24"}},
			{Deployment: "another", Hash: hashOf(t, "of others")},
		}
		w.store.domains = []berth.Domain{{Name: "shop.example", Deployment: "shop000000", Element: "web", Identifier: "web", Proven: true}}
		w.refresh()
		const near, far = "198.51.100.7", "203.0.113.7"
		for _, c := range []struct {
			host, password, from string
			want                 int
		}{
			{hostName(shopWeb), "for the web", near, http.StatusOK},
			{hostName(shopWeb), "for the web", far, http.StatusForbidden},
			{hostName(shopWeb), "for all of it", near, http.StatusUnauthorized},
			{hostName(shopWeb), "", near, http.StatusUnauthorized},
			{"shop.example", "for the web", near, http.StatusOK},
			{"shop.example", "", near, http.StatusUnauthorized},
			{hostName(shopAPI), "for all of it", far, http.StatusOK},
			{hostName(shopAPI), "of others", far, http.StatusUnauthorized},
			{hostName("console"), "", far, http.StatusOK},
		} {
			if got := w.ask(c.host, c.password, c.from); got != c.want {
				t.Errorf("%s: %s with %q from %s: %d, want %d", kind, c.host, c.password, c.from, got, c.want)
			}
		}
	}
}

func TestAListThatCannotBeReadLetsNobodyIn(t *testing.T) {
	w := serving(t)
	w.store.protected = []berth.Protection{{Deployment: "shop000000", Allow: []string{"everywhere"}}}
	w.refresh()
	if got := w.ask(hostName(shopWeb), "", "198.51.100.7"); got != http.StatusForbidden {
		t.Errorf("%d", got)
	}
}

func TestARightPasswordIsCheckedOnce(t *testing.T) {
	w := serving(t)
	w.store.protected = []berth.Protection{{Deployment: "shop000000", Hash: hashOf(t, "long enough")}}
	w.refresh()
	began := time.Now()
	if got := w.ask(hostName(shopWeb), "long enough", "203.0.113.7"); got != http.StatusOK {
		t.Fatalf("%d", got)
	}
	once := time.Since(began)
	w.refresh() // the next passes keep what is known
	w.refresh()
	began = time.Now()
	for range 50 {
		if got := w.ask(hostName(shopWeb), "long enough", "203.0.113.7"); got != http.StatusOK {
			t.Fatalf("%d", got)
		}
	}
	if fifty := time.Since(began); fifty > 10*once {
		t.Errorf("fifty requests take %s, the first one took %s", fifty, once)
	}
	w.store.protected[0].Hash = hashOf(t, "another one")
	w.refresh()
	if got := w.ask(hostName(shopWeb), "long enough", "203.0.113.7"); got != http.StatusUnauthorized {
		t.Errorf("the former password opens: %d", got)
	}
}

func TestGuessesWaitInAShortLine(t *testing.T) {
	d := newDoor(hashOf(t, "long enough"))
	d.checking.Lock()
	var waiting sync.WaitGroup
	for range guesses {
		waiting.Go(func() { d.opens("a guess") })
	}
	for len(d.queue) < guesses {
		time.Sleep(time.Millisecond)
	}
	if d.opens("long enough") {
		t.Error("one more is checked")
	}
	d.hash = "" // so that the guesses end soon
	d.checking.Unlock()
	waiting.Wait()
}
