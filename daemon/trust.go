package daemon

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth/machine"
)

// trustMount is where every container and build step finds the certificates to trust.
const trustMount = "/.berth/ca.crt"

// writeTrust joins the machine's CA bundle and Berth's own CA into the file that containers mount.
// It is written in place: a mounted file must keep its inode.
func writeTrust(path, ownCA string) ([]byte, error) {
	bundle, err := machineBundle()
	if err != nil {
		return nil, err
	}
	joined := append(append(bytes.TrimRight(bundle, "\n"), '\n'), ownCA...)
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, joined) {
		return joined, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of trust file: %w", err)
	}
	if err := os.WriteFile(path, joined, 0o644); err != nil {
		return nil, fmt.Errorf("write trust file: %w", err)
	}
	return joined, nil
}

func machineBundle() ([]byte, error) {
	for _, path := range append([]string{os.Getenv("SSL_CERT_FILE")}, machine.Bundles...) {
		if path == "" {
			continue
		}
		if data, err := os.ReadFile(path); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("find the machine's CA bundle: install the package ca-certificates")
}

// trustEnv points the usual clients to the mounted bundle and hands the machine's proxy settings on.
func trustEnv(environ func(string) (string, bool)) map[string]string {
	env := map[string]string{}
	for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "npm_config_cafile", "PIP_CERT",
		"REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"} {
		env[name] = trustMount
	}
	maps.Copy(env, passedOn(environ))
	return env
}

// passedOn are the machine's own settings for how to reach the world.
func passedOn(environ func(string) (string, bool)) map[string]string {
	env := map[string]string{}
	for _, name := range machine.Settings {
		if value, ok := environ(name); ok && value != "" {
			env[name] = value
		}
	}
	return env
}

// gitEnv is what the machine's own Git needs to reach the world as the machine does.
func gitEnv(environ func(string) (string, bool)) map[string]string {
	env := passedOn(environ)
	if bundle, ok := environ("GIT_SSL_CAINFO"); ok {
		env["GIT_SSL_CAINFO"] = bundle
	}
	return env
}
