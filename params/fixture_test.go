package params_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/params"
)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// vault keeps secrets in memory and counts them.
type vault struct {
	secrets map[string]string
	next    int
}

func newVault() *vault { return &vault{secrets: map[string]string{}} }

func (v *vault) store(s berth.Secret) (string, error) {
	v.next++
	token := berth.SecretToken(vaultID(v.next), 1)
	v.secrets[token] = s.Reveal()
	return token, nil
}

// vaultID numbers secrets with the letters that ids have.
func vaultID(n int) berth.ID {
	id := make([]byte, 10)
	for i := range id {
		id[len(id)-1-i] = byte('a' + n%26)
		n /= 26
	}
	return berth.ID(id)
}

func (v *vault) reveal(token string) (berth.Secret, error) {
	s, ok := v.secrets[token]
	if !ok {
		return berth.Secret{}, errors.New("no such secret")
	}
	return berth.NewSecret(s), nil
}

// open replaces the tokens in text by their secrets.
func (v *vault) open(t tester, text string) string {
	t.Helper()
	plain, err := berth.ReplaceSecretTokens(text, func(id berth.ID, version int) (string, error) {
		s, err := v.reveal(berth.SecretToken(id, version))
		return s.Reveal(), err
	})
	if err != nil {
		t.Fatalf("open %q: %v", text, err)
	}
	return plain
}

// secret stores a value as a person's setting.
func (v *vault) secret(element, name, value string) berth.Setting {
	v.next++
	id := vaultID(v.next)
	token := berth.SecretToken(id, 1)
	v.secrets[token] = value
	return berth.Setting{Element: element, Name: name, Value: token, Ref: id}
}

func random() io.Reader { return rand.NewChaCha8([32]byte{1}) }

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func (v *vault) input(elements ...params.Element) params.Input {
	return params.Input{Deployment: "dep", Elements: elements, Store: v.store, Reveal: v.reveal, Random: random(), Now: now}
}

func resolve(t tester, in params.Input) params.Result {
	t.Helper()
	got, err := params.Resolve(in)
	if err != nil {
		t.Fatalf("Resolve: %v", err)
	}
	return got
}

func find(t tester, r params.Result, element, name string) params.Value {
	t.Helper()
	v, ok := lookup(r, element, name)
	if !ok {
		t.Fatalf("%s has no %s: %+v", element, name, r.Values[element])
	}
	return v
}

func lookup(r params.Result, element, name string) (params.Value, bool) {
	for _, v := range r.Values[element] {
		if v.Name == name {
			return v, true
		}
	}
	return params.Value{}, false
}

// The packages below are written in the shape of the public ones.

func postgres() params.Element {
	return params.Element{
		Identifier: "postgres",
		Params: []params.Param{
			{Name: "POSTGRES_HOST", Default: "postgres.${DIPLOI_NAMESPACE}", ReadOnly: true, Group: "connection"},
			{Name: "POSTGRES_PORT", Default: "5432", ReadOnly: true, Group: "connection"},
			{Name: "POSTGRES_USER", Default: "postgres", Group: "connection"},
			{Name: "POSTGRES_PASSWORD", Default: "${generate-random-password:24}", Secret: true, Group: "connection"},
			{Name: "POSTGRES_DB", Default: "app", Group: "connection"},
			{Name: "DATABASE_URL", Default: "postgresql://${POSTGRES_USER}:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:${POSTGRES_PORT}/${POSTGRES_DB}", Group: "connection"},
		},
		Platform: params.Platform("production", "postgres", nil),
	}
}

func mongo() params.Element {
	return params.Element{
		Identifier: "mongo",
		Params: []params.Param{
			{Name: "MONGO_HOST", Default: "mongo.${DIPLOI_NAMESPACE}"},
			{Name: "DATABASE_URL", Default: "mongodb://${MONGO_HOST}:27017/app"},
		},
		Platform: params.Platform("production", "mongo", nil),
	}
}

func supabase() params.Element {
	return params.Element{
		Identifier: "supabase",
		Params: []params.Param{
			{Name: "JWT_SECRET", Default: "${generate-random-password:40}", Secret: true},
			{Name: "ANON_KEY", Default: "${generate-jwt:JWT_SECRET:role=anon&iss=supabase&exp=126144000}", Secret: true},
			{Name: "SERVICE_ROLE_KEY", Default: "${generate-jwt:JWT_SECRET:role=service_role&iss=supabase&exp=126144000}", Secret: true},
			{Name: "OPENAI_API_KEY", Group: "openai", Secret: true},
			{Name: "SITE_URL", Default: "${APP_ENDPOINT}"},
		},
		Platform: params.Platform("production", "supabase", []params.Endpoint{{Host: "app", URL: "https://supabase-x.example", Service: "kong", Port: 8000}}),
	}
}

// component is an element with one host called app.
func component(identifier string, includes ...string) params.Element {
	e := params.Element{
		Identifier: identifier,
		Platform:   params.Platform("production", identifier, []params.Endpoint{{Host: "app", URL: "https://" + identifier + ".example", Service: "app", Port: 3000}}),
	}
	for _, path := range includes {
		e.Includes = append(e.Includes, params.Include{Path: path})
	}
	return e
}
