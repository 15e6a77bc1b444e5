package control_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth"
)

const (
	laptopKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr ada@laptop"
	deskKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGpqampqampqampqampqampqampqampqampqampqampq ada@desk"
)

func TestAKeyIsOnePersons(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	eve := w.As(w.person(t, "eve", berth.RoleDeveloper, "", berth.RoleNone))
	added := must[berth.SSHKey](t)(eve.AddKey(ctx, "", "laptop", laptopKey))
	if caller, key, err := w.PersonOfKey(ctx, added.Blob); err != nil || caller.Name != "eve" || key.ID != added.ID {
		t.Errorf("the key is %s's, %v", caller.Name, err)
	}
	_, err := w.owner.AddKey(ctx, "", "laptop", laptopKey)
	mustFail(t, err, berth.EConflict, "somebody else's already")
	_, err = eve.AddKey(ctx, "", "laptop", deskKey)
	mustFail(t, err, berth.EConflict, "a key named laptop already")
	_, err = eve.AddKey(ctx, "", "Lap top", deskKey)
	mustFail(t, err, berth.EInvalid, "lower-case letters")

	_, err = eve.AddKey(ctx, "ada", "backdoor", deskKey)
	mustFail(t, err, berth.EForbidden, "manage SSH keys of others")
	_, err = eve.Keys(ctx, "ada")
	mustFail(t, err, berth.EForbidden, "manage SSH keys of others")
	mustFail(t, eve.DeleteKey(ctx, "ada", "laptop"), berth.EForbidden, "manage SSH keys of others")
	if _, err := w.As(berth.Caller{}).AddKey(ctx, "", "laptop", deskKey); berth.CodeOf(err) != berth.EUnauthenticated {
		t.Errorf("nobody adds a key: %v", err)
	}

	if list := must[[]berth.SSHKey](t)(w.owner.Keys(ctx, "eve")); len(list) != 1 || list[0].Name != "laptop" || list[0].Person == "" {
		t.Errorf("an owner sees %+v", list)
	}
	if err := w.owner.DeleteKey(ctx, "eve", "laptop"); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.PersonOfKey(ctx, added.Blob)
	mustFail(t, err, berth.EUnauthenticated, "nobody's")
	if added, deleted := w.events(t, "key.added"), w.events(t, "key.deleted"); added != 1 || deleted != 1 {
		t.Errorf("%d and %d events", added, deleted)
	}
}

func TestUseOfAKeyIsNotedByTheHour(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	must[berth.SSHKey](t)(w.owner.AddKey(ctx, "", "laptop", laptopKey))
	for _, wait := range []time.Duration{0, time.Minute, 2 * time.Hour} {
		w.pass(wait)
		before := must[[]berth.SSHKey](t)(w.owner.Keys(ctx, ""))[0]
		if err := w.UsedKey(ctx, before); err != nil {
			t.Fatal(err)
		}
		after := must[[]berth.SSHKey](t)(w.owner.Keys(ctx, ""))[0]
		if noted := !after.LastUsed.Equal(before.LastUsed); noted != (wait != time.Minute) {
			t.Errorf("after %v: noted %v", wait, noted)
		}
	}
}

func TestAPrivateKeyIsKeptNowhere(t *testing.T) {
	w := newWorld(t)
	private, secret := privateKey(t)
	_, err := w.owner.AddKey(t.Context(), "", "laptop", private)
	mustFail(t, err, berth.EInvalid, "private key")
	for name, text := range w.files(t) {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds it", name)
		}
	}
}

// privateKey makes one with OpenSSH, and returns it with a line of what is secret in it.
func privateKey(t *testing.T) (text, secret string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return string(content), lines[len(lines)-2] // the last before its END
}
