package api

import (
	"context"

	"github.com/berth-dev/berth"
)

// mailRoutes are about what a deployment's containers sent as mail.
func (a *api) mailRoutes() {
	call(a, route("list-mail", "GET", "/deployments/{deployment}/mail", "What the deployment's containers sent as mail, newest first"), usual,
		func(ctx context.Context, s berth.Service, in *InDeployment) ([]berth.Mail, error) {
			return list(s.Mails(ctx, in.Deployment))
		})

	call(a, route("get-mail", "GET", "/deployments/{deployment}/mail/{mail}", "One message"), usual,
		func(ctx context.Context, s berth.Service, in *struct {
			InDeployment
			Mail string `path:"mail"`
		}) (berth.MailText, error) {
			return s.Mail(ctx, in.Deployment, berth.ID(in.Mail))
		})
}
