//go:build docker

package images_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The S3 server is the one image that is compiled, a minute on two cores: it is made here only with
// BERTH_SOAK, and asked wherever it is there.
func TestVersityGWKeepsObjects(t *testing.T) {
	const ref = "berth/versitygw:1.8"
	d := newDatabase(t)
	if os.Getenv("BERTH_SOAK") != "" {
		if err := newImages(t, newEngine(t)).Prepare(t.Context(), []string{ref}, testWriter{t}); err != nil {
			t.Fatal(err)
		}
	}
	if _, found, err := newEngine(t).ImageID(t.Context(), ref); err != nil || !found {
		t.Skipf("%s is not there, and making it takes longer than make test has; BERTH_SOAK=1 makes it (%v)", ref, err)
	}
	if out, err := d.docker("run", "--detach", "--label", "berth.test=images", "--name", d.name, "--user", "1000:1000",
		"--env", "ROOT_ACCESS_KEY_ID=app", "--env", "ROOT_SECRET_ACCESS_KEY=secret",
		"--entrypoint", "/bin/sh", ref, "-c", "mkdir -p /tmp/data/app && exec versitygw --health /health posix /tmp/data"); err != nil {
		t.Fatal(out)
	}
	address, err := d.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", d.name)
	if err != nil {
		t.Fatal(address)
	}
	ask := func(secret, body string, options ...string) string {
		sum := sha256.Sum256([]byte(body))
		out, _ := exec.Command("curl", append([]string{"--silent", "--user", "app:" + secret, "--aws-sigv4", "aws:amz:us-east-1:s3",
			"--header", "x-amz-content-sha256: " + hex.EncodeToString(sum[:]), "--write-out", " %{http_code}", "http://" + address + ":7070/app/dir/object"}, options...)...).Output()
		return string(out)
	}
	for deadline := time.Now().Add(30 * time.Second); exec.Command("curl", "--silent", "--fail", "http://"+address+":7070/health").Run() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			logs, _ := d.docker("logs", d.name)
			t.Fatal(logs)
		}
	}
	if got := ask("secret", "content", "--request", "PUT", "--data-raw", "content"); !strings.HasSuffix(got, " 200") {
		t.Errorf("put: %s", got)
	}
	if got := ask("secret", ""); got != "content 200" {
		t.Errorf("get: %s", got)
	}
	if got := ask("wrong", ""); !strings.HasSuffix(got, " 403") {
		t.Errorf("with another key: %s", got)
	}
}
