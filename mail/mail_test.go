package mail_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/mail"
	"github.com/google/go-cmp/cmp"
)

const (
	shop  berth.ID = "aaaaaaaaaa"
	other berth.ID = "bbbbbbbbbb"
)

// clock is a second later at every look.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Second)
	return c.now
}

func inboxes(t *testing.T) (*mail.Inboxes, string) {
	dir := t.TempDir()
	c := &clock{now: time.Now()}
	return mail.New(dir, c.Now), dir
}

func receive(t *testing.T, b *mail.Inboxes, of berth.ID, message string) {
	t.Helper()
	if err := b.Receive(of, "app@shop.test", []string{"ada@example.com"}, strings.NewReader(message)); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, b *mail.Inboxes, of berth.ID) []berth.Mail {
	t.Helper()
	all, err := b.List(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func newest(t *testing.T, b *mail.Inboxes, of berth.ID) berth.MailText {
	t.Helper()
	m, err := b.Read(t.Context(), of, list(t, b, of)[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnInboxIsItsDeploymentsOwn(t *testing.T) {
	b, dir := inboxes(t)
	if all := list(t, b, shop); len(all) != 0 {
		t.Errorf("before the first mail: %v", all)
	}
	receive(t, b, shop, "Subject: one\r\n\r\n1\r\n")
	receive(t, b, shop, "Subject: =?utf-8?q?zwei_=C3=A4?=\r\n\r\n2\r\n")
	receive(t, b, other, "Subject: of others\r\n\r\n3\r\n")
	all := list(t, b, shop)
	if len(all) != 2 || all[0].Subject != "zwei ä" || all[1].Subject != "one" || all[0].From != "app@shop.test" || all[0].To[0] != "ada@example.com" || all[1].Bytes != 19 {
		t.Fatalf("inbox %+v", all)
	}
	for _, id := range []berth.ID{"", "absent", "../" + other, "cccccccccc", "*", list(t, b, other)[0].ID} {
		if _, err := b.Read(t.Context(), shop, id); berth.CodeOf(err) != berth.ENotFound {
			t.Errorf("mail %q: %v", id, err)
		}
	}
	if err := b.Forget(shop); err != nil || len(list(t, b, shop)) != 0 || len(list(t, b, other)) != 1 {
		t.Errorf("after its end: %v, %v", err, list(t, b, shop))
	}
	if err := b.Forget("../x"); err == nil {
		t.Error("a path was taken for a deployment")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestAMessageIsRead(t *testing.T) {
	b, _ := inboxes(t)
	receive(t, b, shop, strings.ReplaceAll(`From: Shop <app@shop.test>
To: ada@example.com
Subject: Your order
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Click https://shop.test/r=C3=A9set=
/1
--inner
Content-Type: text/html

<p>Click</p>
--inner--
--outer
Content-Type: application/pdf; name="bill.pdf"
Content-Disposition: attachment; filename="bill.pdf"
Content-Transfer-Encoding: base64

JVBERi0=
--outer--
`, "\n", "\r\n"))
	m := newest(t, b, shop)
	want := berth.MailText{Mail: m.Mail, Text: "Click https://shop.test/réset/1", Parts: []string{"application/pdf bill.pdf"}, Headers: []berth.MailHeader{
		{Name: "Content-Type", Value: "multipart/mixed; boundary=outer"}, {Name: "From", Value: "Shop <app@shop.test>"},
		{Name: "Mime-Version", Value: "1.0"}, {Name: "Subject", Value: "Your order"}, {Name: "To", Value: "ada@example.com"}}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	receive(t, b, shop, "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+")
	if m := newest(t, b, shop); m.Text != "<b>hi</b>" {
		t.Errorf("HTML alone: %q", m.Text)
	}
}

func TestAListShowsTheBeginningOfASubject(t *testing.T) {
	b, _ := inboxes(t)
	receive(t, b, shop, "Subject: "+strings.Repeat("ä", 5000)+"\r\n\r\n")
	if got := list(t, b, shop)[0].Subject; got != strings.Repeat("ä", 500)+"…" {
		t.Errorf("%d bytes: %.40q", len(got), got)
	}
}

func TestHostileMessagesAreHarmless(t *testing.T) {
	b, _ := inboxes(t)
	deep := "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	for i := range 2000 {
		deep += fmt.Sprintf("--b\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: image/png\r\n\r\nx\r\n", 5000) + "--b--\r\n"
	for name, message := range map[string]string{
		"nothing":           "",
		"no head":           "\x1b]0;evil\a hello",
		"binary":            "Subject: a\r\n\r\n\x00\xff\x1b[31m",
		"endless head":      strings.Repeat("X: "+strings.Repeat("y", 900)+"\r\n", 5000),
		"parts in parts":    deep,
		"many parts":        many,
		"no boundary":       "Content-Type: multipart/mixed\r\n\r\nx",
		"broken base64":     "Content-Transfer-Encoding: base64\r\n\r\n!!!!",
		"escapes in a name": "Subject: \x1b[31mred\r\n\r\n",
	} {
		receive(t, b, shop, message)
		m := newest(t, b, shop)
		if text := fmt.Sprint(m); strings.ContainsAny(text, "\x00\x1b\a") || len(m.Parts) > 100 || len(m.Headers) > 200 {
			t.Errorf("%s: %.200q", name, text)
		}
	}
}

func TestAnInboxIsBounded(t *testing.T) {
	b, dir := inboxes(t)
	for i := range mail.Most + 5 {
		receive(t, b, shop, fmt.Sprintf("Subject: %d\r\n\r\n", i))
	}
	all := list(t, b, shop)
	if len(all) != mail.Most || all[0].Subject != fmt.Sprint(mail.Most+4) {
		t.Errorf("%d mails, the newest %q", len(all), all[0].Subject)
	}
	for range 12 {
		receive(t, b, shop, strings.Repeat("x", mail.MaxMessage))
	}
	if all := list(t, b, shop); len(all) != mail.MostBytes/mail.MaxMessage-1 { // with their envelopes, ten are too many
		t.Errorf("%d mails of the greatest length are kept", len(all))
	}
	if err := b.Receive(shop, "", nil, strings.NewReader(strings.Repeat("x", mail.MaxMessage+1))); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("one byte too many: %v", err)
	}
	if err := b.Receive(shop, "", nil, iotest.ErrReader(errors.New("gone"))); err == nil {
		t.Error("a message that was cut short was taken")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, string(shop), "*.new")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// slow is a message whose sender waits.
type slow chan struct{}

func (s slow) Read([]byte) (int, error) {
	<-s
	return 0, errors.New("gone")
}

func TestOneDeploymentMaySendOnlySoManyAtOnce(t *testing.T) {
	b, _ := inboxes(t)
	wait := make(slow)
	var sending sync.WaitGroup
	refused := make(chan error, 20)
	for range 20 {
		sending.Go(func() {
			if err := b.Receive(shop, "", nil, wait); berth.CodeOf(err) == berth.EUnavailable {
				refused <- err
			}
		})
	}
	for range 16 {
		<-refused
	}
	receive(t, b, other, "Subject: others go on\r\n\r\n")
	close(wait)
	sending.Wait()
	receive(t, b, shop, "Subject: and then it may again\r\n\r\n")
}
