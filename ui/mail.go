package ui

import "github.com/berth-dev/berth"

// mailPage is what a deployment's containers sent as mail, which went nowhere else.
func mailPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	list, err := q.service.Mails(q.ctx, d.Slug)
	if err != nil {
		return screen{}, err
	}
	return screen{title: "Mail of " + d.Slug, place: p, cli: "berth mail ls " + d.Slug, still: mails(q, d, list)}, nil
}

// oneMailPage is one message, as text.
func oneMailPage(q *query) (screen, error) {
	d, p, err := q.deployment()
	if err != nil {
		return screen{}, err
	}
	m, err := q.service.Mail(q.ctx, d.Slug, berth.ID(q.path("mail")))
	if err != nil {
		return screen{}, err
	}
	p.tab = "/deployments/" + d.Slug + "/mail"
	return screen{title: "Mail of " + d.Slug, place: p, cli: "berth mail show " + d.Slug + " " + string(m.ID), still: oneMail(q, m)}, nil
}

func subjectOf(m berth.Mail) string {
	if m.Subject == "" {
		return "Without a subject"
	}
	return m.Subject
}
