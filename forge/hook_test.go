package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"testing"

	"github.com/berth-dev/berth"
)

func sign(body, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestDeliveries(t *testing.T) {
	const body = `{"ref":"refs/heads/main"}`
	form := url.Values{"payload": {body}}.Encode()
	github := func(event, signature string) map[string]string {
		return map[string]string{"X-GitHub-Event": event, "X-Hub-Signature-256": signature}
	}
	for name, c := range map[string]struct {
		header map[string]string
		body   string
		secret string
		want   Delivery
		code   berth.Code
	}{
		"GitHub":                             {github("push", "sha256="+sign(body, "s")), body, "s", Delivery{true, "main"}, ""},
		"GitHub's form":                      {map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(form, "s"), "Content-Type": "application/x-www-form-urlencoded"}, form, "s", Delivery{true, "main"}, ""},
		"Gitea":                              {map[string]string{"X-Gitea-Event": "push", "X-Gitea-Signature": sign(body, "s")}, body, "s", Delivery{true, "main"}, ""},
		"Forgejo":                            {map[string]string{"X-Forgejo-Event": "push", "X-Forgejo-Signature": sign(body, "s")}, body, "s", Delivery{true, "main"}, ""},
		"GitLab":                             {map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "s"}, body, "s", Delivery{true, "main"}, ""},
		"a ping":                             {github("ping", "sha256="+sign("{}", "s")), "{}", "s", Delivery{}, ""},
		"a tag":                              {github("push", "sha256="+sign(`{"ref":"refs/tags/v1"}`, "s")), `{"ref":"refs/tags/v1"}`, "s", Delivery{true, ""}, ""},
		"another secret":                     {github("push", "sha256="+sign(body, "t")), body, "s", Delivery{}, berth.EForbidden},
		"another body":                       {github("push", "sha256="+sign(body, "s")), body + " ", "s", Delivery{}, berth.EForbidden},
		"no signature":                       {map[string]string{"X-GitHub-Event": "push"}, body, "s", Delivery{}, berth.EForbidden},
		"a signature that is no hex":         {github("push", "sha256=zz"), body, "s", Delivery{}, berth.EForbidden},
		"the older signature only":           {map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature": "sha1=00"}, body, "s", Delivery{}, berth.EForbidden},
		"a token and a wrong signature":      {map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "s", "X-Hub-Signature-256": "sha256=00"}, body, "s", Delivery{}, berth.EForbidden},
		"an empty secret and its signature":  {github("push", "sha256="+sign(body, "")), body, "", Delivery{}, berth.EForbidden},
		"an empty secret and an empty token": {map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": ""}, body, "", Delivery{}, berth.EForbidden},
		"no JSON":                            {github("push", "sha256="+sign("x", "s")), "x", "s", Delivery{}, berth.EInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			for key, value := range c.header {
				header.Set(key, value)
			}
			got, err := ReadDelivery(header, []byte(c.body), berth.NewSecret(c.secret))
			if got != c.want || berth.CodeOf(err) != c.code {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
