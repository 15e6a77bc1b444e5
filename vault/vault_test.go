package vault

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth"
	"pgregory.net/rapid"
)

func keyFile(t testing.TB) string { return filepath.Join(t.TempDir(), "key") }

func open(t testing.TB, file string) *Vault {
	t.Helper()
	v, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seal(t testing.TB, v *Vault, value string) []byte {
	t.Helper()
	sealed, err := v.Seal(berth.NewSecret(value))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestWhatIsSealedComesBackAfterReopening(t *testing.T) {
	file := keyFile(t)
	before, after := open(t, file), open(t, file)
	rapid.Check(t, func(r *rapid.T) {
		value := string(rapid.SliceOf(rapid.Byte()).Draw(r, "value"))
		sealed := seal(t, before, value)
		if len(value) > 8 && bytes.Contains(sealed, []byte(value)) {
			r.Fatal("the sealed value shows the value")
		}
		got, err := after.Unseal(sealed)
		if err != nil || got.Reveal() != value {
			r.Fatalf("%q came back as %q, %v", value, got.Reveal(), err)
		}
	})
}

func TestTwoSealsOfOneValueDiffer(t *testing.T) {
	v := open(t, keyFile(t))
	if bytes.Equal(seal(t, v, "same"), seal(t, v, "same")) {
		t.Error("equal values can be told by their seals")
	}
}

func TestKeyFileIsForItsOwnerOnly(t *testing.T) {
	file := keyFile(t)
	open(t, file)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
		t.Errorf("left beside the key: %v", entries)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Open(file)
	wantSentence(t, err, "chmod 600")
}

func TestWrongKeySaysSo(t *testing.T) {
	sealed := seal(t, open(t, keyFile(t)), "value")
	other := open(t, keyFile(t))
	file := keyFile(t)
	first, again := open(t, file).Fingerprint(), open(t, file).Fingerprint()
	if first != again || other.Fingerprint() == first {
		t.Error("the fingerprint does not tell keys apart")
	}
	_, err := other.Unseal(sealed)
	wantSentence(t, err, "another key")
}

func TestDamageSaysSo(t *testing.T) {
	v := open(t, keyFile(t))
	whole := seal(t, v, "value")
	for name, sealed := range map[string][]byte{
		"nothing": nil, "noise": []byte("noise"), "cut": whole[:len(whole)-1],
		"turned": append(whole[:len(whole)-1:len(whole)-1], whole[len(whole)-1]^1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Unseal(sealed)
			wantSentence(t, err, "damaged")
		})
	}
}

func TestKeyFileWithoutKeySaysSoAndDoesNotShowIt(t *testing.T) {
	for _, text := range []string{"", "hunter2", "AGE-SECRET-KEY-1QQQ"} {
		file := keyFile(t)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(file)
		wantSentence(t, err, "holds no key")
		if text != "" && strings.Contains(fmt.Sprintf("%+v", err), text) {
			t.Errorf("the error shows the file's content: %v", err)
		}
		if kept, _ := os.ReadFile(file); string(kept) != text {
			t.Error("a broken key file was replaced")
		}
	}
}

func TestLinkedKeyIsRefused(t *testing.T) {
	file := keyFile(t)
	open(t, file)
	link := filepath.Join(t.TempDir(), "key")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	_, err := Open(link)
	wantSentence(t, err, "links")
}

func TestManyCreatorsShareOneKey(t *testing.T) {
	file := keyFile(t)
	vaults := make([]*Vault, 8)
	var group sync.WaitGroup
	for i := range vaults {
		group.Go(func() {
			v, err := Open(file)
			if err != nil {
				t.Error(err)
			}
			vaults[i] = v
		})
	}
	group.Wait()
	sealed := seal(t, vaults[0], "value")
	for _, v := range vaults {
		if got, err := v.Unseal(sealed); err != nil || got.Reveal() != "value" {
			t.Errorf("one creator has another key: %v", err)
		}
	}
}

func wantSentence(t *testing.T, err error, part string) {
	t.Helper()
	if berth.CodeOf(err) != berth.EUnavailable || !strings.Contains(berth.MessageOf(err), part) {
		t.Errorf("got %v, want a sentence with %q", err, part)
	}
}
