package core

import (
	"bytes"
	"io"
	"net/smtp"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth"
)

// letters is an inbox that a test looks into.
type letters struct {
	mu   sync.Mutex
	got  []string
	fail error
}

func (l *letters) Receive(deployment berth.ID, from string, to []string, message io.Reader) error {
	text, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, string(deployment)+" "+from+" "+strings.Join(to, ",")+" "+string(text))
	return l.fail
}

// send is a program in a container that sends mail.
func (w world) send(t *testing.T, id berth.ID, body string) error {
	t.Helper()
	conn, err := w.dial(t, id, header(2525))
	if err != nil {
		return err
	}
	defer conn.Close()
	c, err := smtp.NewClient(conn, "core.berth")
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return c.Mail("app@shop.test") },
		func() error { return c.Rcpt("ada@example.com") },
		func() error { return c.Rcpt("root@localhost") },
		func() error {
			data, err := c.Data()
			if err != nil {
				return err
			}
			if _, err := io.WriteString(data, body); err != nil {
				return err
			}
			return data.Close()
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestNoAddressIsLongerThanAMailboxs(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa")
	conn, err := w.dial(t, "aaaaaaaaaa", header(2525))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := smtp.NewClient(conn, "core.berth")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 1000) + "@example.com"
	if err := c.Mail(long); err == nil {
		t.Error("it may send")
	}
	if err := c.Mail("app@shop.test"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(long); err == nil {
		t.Error("it may be sent to")
	}
}

func TestMailIsTheDeploymentsItCameFrom(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa", "bbbbbbbbbb")
	for _, id := range []berth.ID{"aaaaaaaaaa", "bbbbbbbbbb"} {
		if err := w.send(t, id, "Subject: hi\r\n\r\n.from "+string(id)+"\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"aaaaaaaaaa app@shop.test ada@example.com,root@localhost Subject: hi\r\n\r\n.from aaaaaaaaaa\r\n",
		"bbbbbbbbbb app@shop.test ada@example.com,root@localhost Subject: hi\r\n\r\n.from bbbbbbbbbb\r\n",
	}
	if got := w.inbox.got; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q", got)
	}
}

func TestMailThatCannotBeTakenIsAnswered(t *testing.T) {
	w := newWorld(t, "aaaaaaaaaa")
	if err := w.send(t, "aaaaaaaaaa", strings.Repeat("a line\r\n", maxTestMail/8+1)); err == nil || !strings.HasPrefix(err.Error(), "552") {
		t.Errorf("too large: %v", err)
	}
	for fail, code := range map[error]string{
		berth.Errorf(berth.EUnavailable, "busy"):  "451",
		berth.Errorf(berth.EInvalid, "too large"): "552",
		io.ErrUnexpectedEOF:                       "451",
	} {
		w.inbox.fail = fail
		if err := w.send(t, "aaaaaaaaaa", "x"); err == nil || !strings.HasPrefix(err.Error(), code) {
			t.Errorf("%v: %v", fail, err)
		}
	}
	w.inbox.fail = nil
	conn, err := w.dial(t, "aaaaaaaaaa", header(2525)+"\x00\xff nonsense\r\n"+strings.Repeat("y", 100_000)+"\r\n")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if answer, _ := io.ReadAll(conn); !bytes.HasPrefix(answer, []byte("220 core.berth")) {
		t.Errorf("nonsense is answered %.100q", answer)
	}
	if err := w.send(t, "aaaaaaaaaa", "after nonsense"); err != nil {
		t.Error(err)
	}
}
