package berth

import (
	"context"
	"time"
)

// MailService is about what the containers of a deployment sent as mail: it goes nowhere but into the
// deployment's inbox.
type MailService interface {
	// Mails lists an inbox, newest first.
	Mails(ctx context.Context, ref string) ([]Mail, error)
	Mail(ctx context.Context, ref string, id ID) (MailText, error)
}

// Mail is one message as a list shows it. All but id, time and size is what an application wrote.
type Mail struct {
	ID      ID        `json:"id"`
	Time    time.Time `json:"time"`
	From    string    `json:"from"` // of the envelope, as To is
	To      []string  `json:"to"`
	Subject string    `json:"subject"`
	Bytes   int64     `json:"bytes"`
}

// MailText is one message to read.
type MailText struct {
	Mail
	Headers []MailHeader `json:"headers"`
	Text    string       `json:"text"` // its plain text, else its HTML
	Parts   []string     `json:"parts,omitempty"`
}

// MailHeader is a line of a message's head.
type MailHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
