package mail

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"

	"github.com/berth-dev/berth"
)

const (
	maxText    = 1 << 20 // of a message that is shown
	maxParts   = 100
	maxDepth   = 8
	maxHeaders = 200
	maxSubject = 1000 // bytes of it that a list shows
)

// subject reads no more of a message than its head.
func subject(message io.Reader) string {
	parsed, err := mail.ReadMessage(message)
	if err != nil {
		return ""
	}
	whole := decoded(parsed.Header.Get("Subject"))
	if len(whole) <= maxSubject {
		return whole
	}
	return strings.ToValidUTF8(whole[:maxSubject], "") + "…"
}

// read makes of a message what people read. One that is no mail by the book is shown as it is.
func read(message io.Reader) (m berth.MailText) {
	whole := bufio.NewReaderSize(io.LimitReader(message, MaxMessage), maxHead)
	start, _ := whole.Peek(maxHead)
	parsed, err := mail.ReadMessage(whole)
	if err != nil {
		return berth.MailText{Headers: []berth.MailHeader{}, Text: valid(string(start))}
	}
	m.Subject = decoded(parsed.Header.Get("Subject"))
	m.Headers = headers(parsed.Header)
	found := &contents{}
	found.take(textproto.MIMEHeader(parsed.Header), parsed.Body, 0)
	m.Text, m.Parts = valid(found.plain), found.names
	if !found.hasPlain {
		m.Text = valid(found.html)
	}
	return m
}

func headers(h mail.Header) []berth.MailHeader {
	list := []berth.MailHeader{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if len(list) < maxHeaders {
				list = append(list, berth.MailHeader{Name: valid(name), Value: decoded(value)})
			}
		}
	}
	return list
}

// decoded reads encoded words (RFC 2047).
func decoded(text string) string {
	if plain, err := new(mime.WordDecoder).DecodeHeader(text); err == nil {
		text = plain
	}
	return valid(text)
}

// valid keeps what is no UTF-8, and a terminal's escapes, out of answers.
func valid(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}

// contents are the parts of a message.
type contents struct {
	plain, html string
	hasPlain    bool
	names       []string // of all parts but text
	parts       int
}

func (c *contents) take(header textproto.MIMEHeader, body io.Reader, depth int) {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if c.parts++; c.parts > maxParts || depth > maxDepth {
		return
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		c.takeAll(multipart.NewReader(body, params["boundary"]), depth)
		return
	}
	disposition, named, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
	switch {
	case disposition != "attachment" && kind == "text/plain" && !c.hasPlain:
		c.plain, c.hasPlain = text(header, body), true
	case disposition != "attachment" && kind == "text/html" && c.html == "":
		c.html = text(header, body)
	default:
		name := named["filename"]
		if name == "" {
			name = params["name"]
		}
		c.names = append(c.names, valid(strings.TrimSpace(fmt.Sprintf("%s %s", kind, decoded(name)))))
	}
}

func (c *contents) takeAll(parts *multipart.Reader, depth int) {
	for c.parts <= maxParts {
		part, err := parts.NextRawPart()
		if err != nil {
			return // the end, or what cannot be read any further
		}
		c.take(part.Header, part, depth+1)
	}
}

func text(header textproto.MIMEHeader, body io.Reader) string {
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	data, _ := io.ReadAll(io.LimitReader(body, maxText)) // as far as it can be decoded
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}
