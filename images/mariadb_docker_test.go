//go:build docker

package images_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mariadb is a container of berth/mariadb:11.8 whose data outlives it.
func mariadb(t *testing.T) *database {
	t.Helper()
	d := newDatabase(t)
	d.image, d.dataDir = "berth/mariadb:11.8", "/var/lib/mysql"
	d.client = func(sql string) []string {
		return []string{"exec", "--env", "MYSQL_PWD=se'c\\ret", d.name, "mariadb", "-h", "127.0.0.1", "-u", "app", "-D", "guest_book", "-BNe", sql}
	}
	return d
}

// A name of the database's own in the environment is no address for the first start.
func mariadbEnv() []string {
	return []string{"MARIADB_USER=app", "MARIADB_PASSWORD=se'c\\ret", "MARIADB_DATABASE=guest_book", "MYSQL_ROOT_PASSWORD=r'oot", "MARIADB_HOST=mariadb.nowhere"}
}

func TestMariaDBHasTheOfficialManners(t *testing.T) {
	d := mariadb(t)
	d.hook("1.sql", "CREATE TABLE entries (text TEXT); INSERT INTO entries VALUES ('hook');")
	d.hook("2.sh", `docker_process_sql --execute "INSERT INTO entries VALUES ('shell')"`)
	d.start(mariadbEnv()...)
	for query, want := range map[string]string{
		"SELECT GROUP_CONCAT(text) FROM entries": "hook,shell",
		"SELECT CURRENT_USER()":                  "app@%",
		"SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'guestxbook'": "0",
	} {
		if got := d.await(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for password, want := range map[string]bool{"r'oot": true, "wrong": false, "": false} {
		out, err := d.docker("exec", "--env", "MYSQL_PWD="+password, d.name, "mariadb", "-h", "127.0.0.1", "-u", "root", "-e", "SELECT 1")
		if taken := err == nil; taken != want {
			t.Errorf("password %q of root: taken %v, want %v: %s", password, taken, want, out)
		}
	}
	if out, err := d.query("CREATE DATABASE guestxbook"); err == nil {
		t.Errorf("the user may make databases: %s", out)
	}
	if out, _ := d.docker("exec", d.name, "stat", "-c", "%u", "/proc/1", "/var/lib/mysql"); out != "999\n999" {
		t.Errorf("server and data belong to %q", out)
	}
	if out, err := d.docker("exec", d.name, "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ | grep -i password"); err == nil {
		t.Errorf("the server has passwords in its environment: %s", out)
	}
	began := time.Now()
	if out, err := d.docker("stop", "--time", "20", d.name); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("stopping took %s: %s %v", time.Since(began), out, err)
	}
	d.start("MARIADB_USER=other", "MARIADB_PASSWORD=other")
	if got := d.await("SELECT COUNT(*) FROM entries"); got != "2" {
		t.Errorf("%s entries after a restart, want 2", got)
	}
}

func TestMariaDBBeginsAgainAfterAFirstStartThatWasCutOff(t *testing.T) {
	d := mariadb(t)
	d.hook("1.sql", "CREATE TABLE entries (text TEXT);")
	d.hook("2.sh", "touch /var/lib/mysql/.initialising/in-hook\nuntil [ -e /docker-entrypoint-initdb.d/go ]; do sleep 0.1; done")
	d.start(mariadbEnv()...)
	d.awaitFile(".initialising/in-hook")
	if _, err := os.Stat(filepath.Join(d.data, "mysql")); err == nil {
		t.Fatal("a half-made database looks like a whole one")
	}
	if out, err := d.docker("kill", d.name); err != nil {
		t.Fatal(out)
	}
	d.hook("go", "")
	d.start(mariadbEnv()...)
	if got := d.await("SELECT COUNT(*) FROM entries"); got != "0" {
		t.Errorf("%s entries", got)
	}
	if left, _ := filepath.Glob(filepath.Join(d.data, ".init*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMariaDBSaysWhatItCannotDo(t *testing.T) {
	d := mariadb(t)
	stranger := filepath.Join(d.data, "precious.txt")
	if err := os.WriteFile(stranger, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.start(mariadbEnv()...)
	code, _ := d.docker("wait", d.name)
	logs, _ := d.docker("logs", d.name)
	if _, err := os.Stat(stranger); err != nil || code != "1" || !strings.Contains(logs, "left alone") {
		t.Errorf("strangers' files: exit code %s, %v:\n%s", code, err, logs)
	}
	if err := os.Remove(stranger); err != nil {
		t.Fatal(err)
	}
	d.start()
	code, _ = d.docker("wait", d.name)
	if logs, _ := d.docker("logs", d.name); code != "1" || !strings.Contains(logs, "MARIADB_ROOT_PASSWORD") {
		t.Errorf("no password: exit code %s:\n%s", code, logs)
	}
}
