package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/berth-dev/berth"
)

// Delivery is what a webhook told, once it has shown that it knows the secret.
type Delivery struct {
	Push   bool
	Branch string // that the push moved; "" for tags and the like
}

// ReadDelivery checks who sent a webhook and reads what of it matters. EForbidden for who does not know the
// secret, which is compared in constant time; an empty secret lets nobody in. Sources: GitHub "Validating webhook
// deliveries" (X-Hub-Signature-256), Gitea and Forgejo "Webhooks" (X-Gitea-Signature, X-Forgejo-Signature), GitLab
// "Webhooks" (X-Gitlab-Token).
func ReadDelivery(header http.Header, body []byte, secret berth.Secret) (Delivery, error) {
	if !isAuthentic(header, body, secret) {
		return Delivery{}, berth.Errorf(berth.EForbidden, "the delivery is not signed with this project's secret: berth project hook PROJECT --rotate makes a new one")
	}
	event := first(header, "X-Github-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gitlab-Event")
	if event != "push" && event != "Push Hook" {
		return Delivery{}, nil
	}
	var push struct {
		Ref string `json:"ref"`
	}
	if err := json.Unmarshal(payload(header, body), &push); err != nil {
		return Delivery{}, &berth.Error{Code: berth.EInvalid, Message: "the delivery is no JSON: choose application/json as its content type", Err: err}
	}
	branch, isBranch := strings.CutPrefix(push.Ref, "refs/heads/")
	if !isBranch {
		branch = ""
	}
	return Delivery{Push: true, Branch: branch}, nil
}

func isAuthentic(header http.Header, body []byte, secret berth.Secret) bool {
	if secret.Empty() {
		return false
	}
	if signature := strings.TrimPrefix(first(header, "X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature"), "sha256="); signature != "" {
		given, err := hex.DecodeString(signature)
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		return err == nil && hmac.Equal(given, mac.Sum(nil))
	}
	given := header.Get("X-Gitlab-Token")
	return given != "" && subtle.ConstantTimeCompare([]byte(given), []byte(secret.Reveal())) == 1
}

// payload is the JSON of a body, which GitHub wraps into a form unless told otherwise.
func payload(header http.Header, body []byte) []byte {
	if kind, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return body
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return body
	}
	return []byte(form.Get("payload"))
}

func first(header http.Header, names ...string) string {
	for _, name := range names {
		if value := header.Get(name); value != "" {
			return value
		}
	}
	return ""
}
