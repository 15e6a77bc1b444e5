package ui

import (
	"strings"

	"github.com/berth-dev/berth"
)

// protectHosts has hosts ask for a password, answer certain networks only, or both.
func protectHosts(q *query) (string, error) {
	networks := strings.FieldsFunc(q.form("allow"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' })
	wish := berth.ProtectHosts{Host: q.form("host"), Password: berth.NewSecret(q.form("password")), Allow: networks}
	if wish.Password.Empty() && len(networks) == 0 {
		return "", &berth.Error{Code: berth.EInvalid, Message: "Give a password, networks, or both: without either everybody may ask."}
	}
	_, err := q.service.ProtectHosts(q.ctx, q.path("deployment"), wish)
	return q.domainsAt("protected"), err
}

// openHosts lets everybody ask again.
func openHosts(q *query) (string, error) {
	_, err := q.service.OpenHosts(q.ctx, q.path("deployment"), berth.OpenHosts{Host: q.form("host")})
	return q.domainsAt("opened"), err
}

// protectionWords say who may ask a host.
func protectionWords(p *berth.Protection) string {
	if p == nil || !p.Password && len(p.Allow) == 0 {
		return "Everybody may ask"
	}
	var parts []string
	if p.Password {
		parts = append(parts, "who knows the password")
	}
	if len(p.Allow) > 0 {
		parts = append(parts, "from "+strings.Join(p.Allow, ", "))
	}
	return "Only " + strings.Join(parts, ", ")
}
