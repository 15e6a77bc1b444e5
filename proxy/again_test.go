package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestARequestThatNothingTookGoesToWhatTakesOver(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, time.Hour, refused("a"), refused("b")))
	answers := make(chan string, 2)
	ask := func(method string) {
		go func() {
			_, got := do(t, server, request(t, server, method, "/", strings.NewReader("")))
			answers <- got
		}()
	}
	ask(http.MethodGet)
	ask(http.MethodPost) // nothing of it was sent
	held(t, p, 2)
	p.Swap(holding(2, time.Hour)) // gone from the table; what takes over is not ready yet
	held(t, p, 2)
	p.Swap(holding(3, time.Hour, backend(t, "c", says("taken over"))))
	for range 2 {
		if got := <-answers; got != "taken over" {
			t.Errorf("%q", got)
		}
	}
	held(t, p, 0)
}

func TestARequestThatNothingTookIsToldSoWhereNothingIsHeld(t *testing.T) {
	p := newTestProxy(t)
	server := front(t, p)
	p.Swap(holding(1, 0, refused("a")))
	if response, body := get(t, server, "/"); response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "Nothing listens") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	p.Swap(holding(2, 50*time.Millisecond, refused("a"))) // no other table comes
	if response, _ := get(t, server, "/"); response.StatusCode != http.StatusBadGateway {
		t.Errorf("%d", response.StatusCode)
	}
}
