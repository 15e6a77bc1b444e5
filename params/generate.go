package params

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth"
)

// Generators, as they stand behind "generate-".
const (
	randomPassword = "random-password"
	randomBytes    = "random-bytes"
	signedToken    = "jwt"
)

const maxGenerated = 1024

// generate returns the token of a generated value: the kept one, or a new one.
func (r *resolver) generate(s *scope, key string, p part) (token string, err error) {
	if p.verb == signedToken {
		return r.generateJWT(s, key, p)
	}
	if kept, ok := r.keptToken(s, key); ok {
		return kept, nil
	}
	n, err := strconv.Atoi(p.args)
	if err != nil || n < 1 || n > maxGenerated {
		r.problem(s.label(variableOf(key)), "%s needs a length between 1 and %d, like ${generate-%s:32}", clip(p.text), maxGenerated, p.verb)
		return "", nil
	}
	value := ""
	if p.verb == randomBytes {
		value, err = encodedBytes(r.input.Random, n)
	} else {
		value, err = password(r.input.Random, n)
	}
	if err != nil {
		return "", fmt.Errorf("generate %s: %w", s.label(variableOf(key)), err)
	}
	return r.keep(s, key, value)
}

// password returns n letters and digits, each equally likely. Packages put it unquoted into
// URIs, SQL and YAML, so it has nothing else.
func password(random io.Reader, n int) (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	const fair = 256 - 256%len(alphabet) // bytes from here on would favour the first letters
	out, buffer := make([]byte, 0, n), make([]byte, n)
	for range 100 {
		if _, err := io.ReadFull(random, buffer); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		for _, b := range buffer {
			if int(b) < fair {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
			if len(out) == n {
				return string(out), nil
			}
		}
	}
	return "", errors.New("read random bytes: the source is not random")
}

func encodedBytes(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// generateJWT returns the kept token while it is signed with the present secret and says the
// same; a rotated secret makes a new one.
func (r *resolver) generateJWT(s *scope, key string, p part) (string, error) {
	name, query, _ := strings.Cut(p.args, ":")
	field := s.label(variableOf(key))
	claims, err := claimsOf(query)
	if err != nil || !validName(name) {
		r.problem(field, "%s is not understood; write ${generate-jwt:SECRET:role=anon&exp=126144000}", clip(p.text))
		return "", nil
	}
	signingKey, err := r.signingKey(s, name)
	if err != nil {
		return "", err
	}
	if signingKey.Empty() {
		r.problem(field, "is signed with %s, which is empty or missing; give it a value", name)
		return "", nil
	}
	if kept, ok := r.keptToken(s, key); ok {
		value, err := r.input.Reveal(kept)
		if err != nil {
			return "", fmt.Errorf("reveal %s: %w", field, err)
		}
		if stillSays(value, signingKey, claims) {
			return kept, nil
		}
	}
	value, err := sign(claims, signingKey, r.input.Now)
	if err != nil {
		return "", err
	}
	return r.keep(s, key, value)
}

// signingKey resolves the parameter that a JWT is signed with, and reveals it.
func (r *resolver) signingKey(s *scope, name string) (berth.Secret, error) {
	target := s.bound[name]
	if target == nil {
		return berth.Secret{}, nil
	}
	got, err := r.resolve(s, target)
	if err != nil || got == nil {
		return berth.Secret{}, err
	}
	value, err := r.reveal(got.text)
	if err != nil {
		return berth.Secret{}, fmt.Errorf("reveal %s: %w", s.label(name), err)
	}
	return value, nil
}

// claimsOf reads "role=anon&exp=126144000". Whole numbers become numbers.
func claimsOf(query string) (map[string]any, error) {
	pairs, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	claims := make(map[string]any, len(pairs))
	for name, values := range pairs {
		claims[name] = values[len(values)-1]
		if n, err := strconv.ParseInt(values[len(values)-1], 10, 53); err == nil {
			claims[name] = float64(n)
		}
	}
	return claims, nil
}

const jwtHeader = `{"alg":"HS256","typ":"JWT"}`

// sign makes an HS256 JWT. exp in claims is a lifetime in seconds.
func sign(claims map[string]any, key berth.Secret, now time.Time) (string, error) {
	claims = maps.Clone(claims)
	issued := float64(now.Unix())
	claims["iat"] = issued
	if lifetime, ok := claims["exp"].(float64); ok {
		claims["exp"] = issued + lifetime
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	body := encode([]byte(jwtHeader)) + "." + encode(payload)
	return body + "." + encode(signature(body, key)), nil
}

func signature(body string, key berth.Secret) []byte {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}

// stillSays reports whether a kept JWT is what sign would make now, apart from its time.
func stillSays(jwt, key berth.Secret, claims map[string]any) bool {
	decode := base64.RawURLEncoding.DecodeString
	parts := strings.Split(jwt.Reveal(), ".")
	if len(parts) != 3 {
		return false
	}
	mac, err := decode(parts[2])
	if err != nil || !hmac.Equal(mac, signature(parts[0]+"."+parts[1], key)) {
		return false
	}
	payload, err := decode(parts[1])
	if err != nil {
		return false
	}
	var kept map[string]any
	if json.Unmarshal(payload, &kept) != nil {
		return false
	}
	issued, _ := kept["iat"].(float64)
	if expires, ok := kept["exp"].(float64); ok {
		kept["exp"] = expires - issued
	}
	if _, wanted := claims["iat"]; !wanted {
		delete(kept, "iat")
	}
	return reflect.DeepEqual(kept, claims)
}
