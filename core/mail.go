package core

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/berth-dev/berth"
	"github.com/emersion/go-smtp"
)

const (
	smtpPort      = 2525
	smtpTimeout   = time.Minute
	maxRecipients = 100
	maxSMTPLine   = 4000
	// maxAddress is more than any mailbox has: 64 before the @, 255 behind it.
	maxAddress = 320
)

// Inbox takes the mail that a deployment's containers send. EUnavailable asks them to try again.
type Inbox interface {
	Receive(deployment berth.ID, from string, to []string, message io.Reader) error
}

// newMail answers SMTP. Whatever is sent, to whomever, is for the inbox of the deployment it comes from.
func newMail(inbox Inbox, maxMessage int64, log *slog.Logger) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		from, ours := c.Conn().(*stream)
		if !ours {
			return nil, errors.New("mail from nowhere")
		}
		return &letter{inbox: inbox, deployment: from.deployment, log: log}, nil
	}))
	s.Domain, s.EnableSMTPUTF8 = "core.berth", true
	s.MaxMessageBytes, s.MaxRecipients, s.MaxLineLength = maxMessage, maxRecipients, maxSMTPLine
	s.ReadTimeout, s.WriteTimeout = smtpTimeout, smtpTimeout
	s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return s
}

// letter is a message on its way.
type letter struct {
	inbox      Inbox
	deployment berth.ID
	log        *slog.Logger
	from       string
	to         []string
}

func (l *letter) Reset()        { l.from, l.to = "", nil }
func (l *letter) Logout() error { return nil }

func (l *letter) Mail(from string, _ *smtp.MailOptions) error {
	l.from = from
	return mailbox(from)
}

func (l *letter) Rcpt(to string, _ *smtp.RcptOptions) error {
	l.to = append(l.to, to)
	return mailbox(to)
}

// mailbox keeps inboxes from being filled with what a list of them would show.
func mailbox(address string) error {
	if len(address) > maxAddress {
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "this address is longer than any mailbox's"}
	}
	return nil
}

func (l *letter) Data(message io.Reader) error {
	err := l.inbox.Receive(l.deployment, l.from, l.to, message)
	var told *smtp.SMTPError
	switch {
	case err == nil, errors.As(err, &told): // too large, as the server itself found
		return err
	case berth.CodeOf(err) == berth.EInvalid:
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: berth.MessageOf(err)}
	case berth.CodeOf(err) != berth.EUnavailable:
		l.log.Warn("store mail", "deployment", l.deployment, "error", err)
	}
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail could not be stored just now; try again"}
}
