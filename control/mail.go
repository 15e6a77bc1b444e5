package control

import (
	"context"

	"github.com/berth-dev/berth"
)

// Mails lists what a deployment's containers sent. It may hold links that log somebody in, hence no viewer.
func (s *Service) Mails(ctx context.Context, ref string) ([]berth.Mail, error) {
	d, err := s.control.may(ctx, s.caller, MailRead, ref)
	if err != nil {
		return nil, err
	}
	return s.control.Mail.List(ctx, d.ID)
}

// Mail shows one message.
func (s *Service) Mail(ctx context.Context, ref string, id berth.ID) (berth.MailText, error) {
	d, err := s.control.may(ctx, s.caller, MailRead, ref)
	if err != nil {
		return berth.MailText{}, err
	}
	return s.control.Mail.Read(ctx, d.ID, id)
}
