package api_test

import (
	"testing"

	"github.com/berth-dev/berth"
)

// contractLive is about what came after the first contract: plans, values of projects, mail.
func contractLive(t *testing.T, b berth.Service, d berth.Deployment) {
	ctx := t.Context()
	_, err := b.Plan(ctx, d.Slug)
	mustFail(t, err, berth.EInvalid, "web-shop is no development deployment: its diploi.yaml follows the commit. Push the change, then berth deploy web-shop")
	_, err = b.Apply(ctx, d.Slug)
	mustFail(t, err, berth.EInvalid, "web-shop is no development deployment: its diploi.yaml follows the commit. Push the change, then berth deploy web-shop")

	mustBe(t, b.SetSharedEnvironment(ctx, "shop", map[string]string{"REGION": "eu"}, map[string]berth.Secret{"SENTRY": berth.NewSecret("s3nt")}), "", "")
	params, err := b.SharedEnvironment(ctx, "shop")
	mustBe(t, err, []berth.Parameter{{Name: "REGION", Value: "eu", Origin: berth.OriginShared}, {Name: "SENTRY", Secret: true, Origin: berth.OriginShared}}, params)
	revealed, err := b.RevealEnvironment(ctx, d.Slug, "web")
	values := map[string]string{}
	for _, p := range revealed {
		values[p.Name] = p.Value
	}
	mustBe(t, err, []string{"eu", "s3nt"}, []string{values["REGION"], values["SENTRY"]})
	mustBe(t, b.UnsetSharedEnvironment(ctx, "shop", []string{"REGION", "SENTRY"}), "", "")
	mustFail(t, b.UnsetSharedEnvironment(ctx, "shop", nil), berth.EInvalid, "names: there is nothing to unset")

	mails, err := b.Mails(ctx, d.Slug)
	mustBe(t, err, []berth.Mail{oneMail.Mail}, mails)
	m, err := b.Mail(ctx, d.Slug, oneMail.ID)
	mustBe(t, err, oneMail, m)
	_, err = b.Mail(ctx, d.Slug, "absent")
	mustFail(t, err, berth.ENotFound, "there is no mail absent")
}
