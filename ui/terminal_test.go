package ui

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
	"github.com/coder/websocket"
)

// ticketFor asks for a ticket as the terminal's page does.
func (v *visitor) ticketFor(deployment string) string {
	v.t.Helper()
	got := v.send("/deployments/"+deployment+"/terminal/ticket", url.Values{"element": {"web"}})
	var answer struct{ Ticket string }
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.Ticket == "" {
		v.t.Fatalf("%d %s", got.status, got.body)
	}
	return answer.Ticket
}

// dial opens a terminal as a page of some origin would.
func (v *visitor) dial(ctx context.Context, deployment, ticket, site string) (*websocket.Conn, int) {
	v.t.Helper()
	header := http.Header{"Origin": {v.URL}, "Sec-Fetch-Site": {site}}
	conn, response, err := websocket.Dial(ctx, v.URL+"/deployments/"+deployment+"/terminal/socket?ticket="+ticket, &websocket.DialOptions{HTTPClient: v.client, HTTPHeader: header})
	if err != nil && response == nil {
		v.t.Fatal(err)
	}
	return conn, response.StatusCode
}

func TestATerminalRunsAShell(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v := w.visits(w.owner())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, status := v.dial(ctx, "main-shop", v.ticketFor("main-shop"), "same-origin")
	if conn == nil {
		t.Fatal(status)
	}
	defer func() { _ = conn.CloseNow() }()
	for _, text := range []string{"hello\r", "exit\r"} {
		if err := conn.Write(ctx, websocket.MessageBinary, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var seen strings.Builder
	for {
		kind, content, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		if kind == websocket.MessageText {
			if string(content) != `{"exit":7}` || !strings.Contains(seen.String(), "app@web-7c1d4") || !strings.Contains(seen.String(), "hello") {
				t.Errorf("it ends with %s after %q", content, seen.String())
			}
			return
		}
		seen.Write(content)
	}
}

func TestATicketIsForOneTerminalOfOneLogin(t *testing.T) {
	w := newWorld(t)
	w.shop()
	v, other := w.visits(w.owner()), w.visits(w.person("grace", berth.RoleDeveloper))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, status := v.dial(ctx, "main-shop", "made-up", "same-origin"); status != http.StatusForbidden {
		t.Errorf("a ticket that nobody gave: %d", status)
	}
	if _, status := v.dial(ctx, "main-shop", v.ticketFor("main-shop"), "same-site"); status != http.StatusForbidden {
		t.Errorf("a sibling host: %d", status)
	}
	if _, status := other.dial(ctx, "main-shop", v.ticketFor("main-shop"), "same-origin"); status != http.StatusForbidden {
		t.Errorf("somebody else's ticket: %d", status)
	}
	if _, status := v.dial(ctx, "ada-shop", v.ticketFor("main-shop"), "same-origin"); status != http.StatusForbidden {
		t.Errorf("another deployment's ticket: %d", status)
	}
	used := v.ticketFor("main-shop")
	conn, status := v.dial(ctx, "main-shop", used, "same-origin")
	if conn == nil {
		t.Fatal(status)
	}
	defer func() { _ = conn.CloseNow() }()
	if _, status := v.dial(ctx, "main-shop", used, "same-origin"); status != http.StatusForbidden {
		t.Errorf("a used ticket: %d", status)
	}
	var late tickets
	name, err := late.give(ticket{}, time.Now().Add(-time.Minute))
	if _, ok := late.take(name, time.Now()); ok || err != nil {
		t.Errorf("a ticket is good for ever (%v)", err)
	}
}
