//go:build docker

package images_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

// database is a container of a database's image, berth/postgres:17 unless it says otherwise, with a data
// directory that outlives it.
type database struct {
	t       *testing.T
	name    string
	data    string
	hooks   string
	image   string
	dataDir string                    // in the container
	client  func(sql string) []string // docker's arguments to ask it
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	dir := t.TempDir()
	d := &database{t: t, name: "berth-test-" + string(berth.NewID()), data: filepath.Join(dir, "data"), hooks: filepath.Join(dir, "hooks"),
		image: "berth/postgres:17", dataDir: "/var/lib/postgresql/data"}
	d.client = func(sql string) []string {
		return []string{"exec", "--env", "PGPASSWORD=secret", d.name, "psql", "-h", "127.0.0.1", "-U", "app", "-d", "guestbook", "-Atc", sql}
	}
	for _, p := range []string{d.data, d.hooks} {
		if err := os.Mkdir(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", "--volumes", d.name).Run() })
	return d
}

func (d *database) docker(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (d *database) start(env ...string) {
	d.t.Helper()
	if _, found, err := newEngine(d.t).ImageID(d.t.Context(), d.image); err != nil || !found {
		d.t.Fatalf("%s is not there, which TestPrepareMakesEveryImage makes: %v", d.image, err)
	}
	_, _ = d.docker("rm", "--force", d.name)
	args := []string{"run", "--detach", "--label", "berth.test=images", "--name", d.name,
		"--volume", d.data + ":" + d.dataDir, "--volume", d.hooks + ":/docker-entrypoint-initdb.d:ro"}
	for _, e := range env {
		args = append(args, "--env", e)
	}
	if out, err := d.docker(append(args, d.image)...); err != nil {
		d.t.Fatal(out)
	}
}

func (d *database) query(sql string) (string, error) {
	return d.docker(d.client(sql)...)
}

// await waits for an answer over TCP, which the server of the first start's hooks does not give.
func (d *database) await(sql string) string {
	d.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if out, err := d.query(sql); err == nil {
			return out
		}
	}
	logs, _ := d.docker("logs", d.name)
	d.t.Fatalf("no answer to %s; log:\n%s", sql, logs)
	return ""
}

// awaitFile waits for a file that a hook makes among the data.
func (d *database) awaitFile(name string) {
	d.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(d.data, name)); err == nil {
			return
		}
		if time.Now().After(deadline) {
			logs, _ := d.docker("logs", d.name)
			d.t.Fatalf("%s was not made:\n%s", name, logs)
		}
	}
}

func (d *database) hook(name, content string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.hooks, name), []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func TestPostgresHasTheOfficialManners(t *testing.T) {
	d := newDatabase(t)
	d.hook("1.sql", "CREATE TABLE entries (text text); INSERT INTO entries VALUES ('hook');")
	d.hook("2.sh", `psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -c "INSERT INTO entries VALUES ('shell')"
echo "work_mem = '7MB'" >>"$PGDATA/postgresql.conf"`)
	env := []string{"POSTGRES_USER=app", "POSTGRES_PASSWORD=secret", "POSTGRES_DB=guestbook", "POSTGRES_INITDB_ARGS=--data-checksums --auth-local=trust"}
	d.start(env...)
	for query, want := range map[string]string{
		"SELECT string_agg(text, ',') FROM entries": "hook,shell",
		"SHOW work_mem":            "7MB",
		"SHOW data_checksums":      "on",
		"SHOW password_encryption": "scram-sha-256",
		"SELECT datcollate FROM pg_database WHERE datname='guestbook'": "en_US.utf8",
	} {
		if got := d.await(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	// As in the official image, only connections from the container itself are trusted.
	for password, want := range map[string]bool{"secret": true, "wrong": false} {
		out, err := d.docker("exec", "--env", "PGPASSWORD="+password, d.name, "sh", "-c", `psql -h "$(hostname -i)" -U app -d guestbook -c "SELECT 1"`)
		if taken := err == nil; taken != want {
			t.Errorf("password %s: taken %v, want %v: %s", password, taken, want, out)
		}
	}
	if out, _ := d.docker("exec", d.name, "stat", "-c", "%u", "/proc/1", "/var/lib/postgresql/data"); out != "999\n999" {
		t.Errorf("server and data belong to %q", out)
	}
	began := time.Now()
	if out, err := d.docker("stop", "--time", "20", d.name); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("stopping took %s: %s %v", time.Since(began), out, err)
	}
	if logs, _ := d.docker("logs", d.name); !strings.Contains(logs, "received fast shutdown request") {
		t.Errorf("it did not shut down the fast way:\n%s", logs)
	}
	// Another container goes on with the data, whatever its variables say, and the hooks do not run again.
	d.start("POSTGRES_USER=other", "POSTGRES_PASSWORD=other")
	if got := d.await("SELECT count(*) FROM entries"); got != "2" {
		t.Errorf("%s entries after a restart, want 2", got)
	}
}

func TestPostgresBeginsAgainAfterAFirstStartThatWasCutOff(t *testing.T) {
	d := newDatabase(t)
	d.hook("1.sql", "CREATE TABLE entries (text text);")
	d.hook("2.sh", "touch \"$PGDATA/in-hook\"\nuntil [ -e /docker-entrypoint-initdb.d/go ]; do sleep 0.1; done")
	env := []string{"POSTGRES_USER=app", "POSTGRES_PASSWORD=secret", "POSTGRES_DB=guestbook"}
	d.start(env...)
	d.awaitFile(".initialising/in-hook")
	if _, err := os.Stat(filepath.Join(d.data, "PG_VERSION")); err == nil {
		t.Fatal("a half-made database looks like a whole one")
	}
	if out, err := d.docker("kill", d.name); err != nil {
		t.Fatal(out)
	}
	d.hook("go", "")
	d.start(env...)
	if got := d.await("SELECT count(*) FROM entries"); got != "0" {
		t.Errorf("%s entries", got)
	}
	if left, _ := filepath.Glob(filepath.Join(d.data, ".init*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPostgresLeavesStrangersFilesAlone(t *testing.T) {
	d := newDatabase(t)
	stranger := filepath.Join(d.data, "precious.txt")
	if err := os.WriteFile(stranger, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.start("POSTGRES_PASSWORD=secret")
	if code, _ := d.docker("wait", d.name); code != "1" {
		t.Errorf("exit code %s, want 1", code)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
}

func TestPostgresNeedsAPassword(t *testing.T) {
	d := newDatabase(t)
	d.start()
	if code, _ := d.docker("wait", d.name); code != "1" {
		t.Errorf("exit code %s, want 1", code)
	}
	if logs, _ := d.docker("logs", d.name); !strings.Contains(logs, "POSTGRES_PASSWORD") {
		t.Errorf("it does not say what is missing:\n%s", logs)
	}
}
