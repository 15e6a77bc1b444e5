package berth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

func TestAPasswordIsCheckedByItsHash(t *testing.T) {
	hash, err := berth.HashPassword(berth.NewSecret("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := berth.HashPassword(berth.NewSecret("correct horse"))
	if err != nil || other == hash || strings.Contains(hash, "correct") {
		t.Errorf("two hashes of one password: %s, %s (%v)", hash, other, err)
	}
	if !berth.PasswordFits(hash, "correct horse") || !berth.PasswordFits(other, "correct horse") {
		t.Error("the password does not fit its hash")
	}
	for _, wrong := range []string{"", "correct hors", "Correct horse", strings.Repeat("x", 1<<20)} {
		if berth.PasswordFits(hash, wrong) {
			t.Errorf("%.20q fits", wrong)
		}
	}
	parts := strings.Split(hash, "$")
	for _, broken := range []string{"", "correct horse", "md5$1$$", strings.Join(parts[:3], "$"), parts[0] + "$0$" + parts[2] + "$" + parts[3],
		parts[0] + "$" + parts[1] + "$!$" + parts[3], parts[0] + "$" + parts[1] + "$" + parts[2] + "$"} {
		if berth.PasswordFits(broken, "correct horse") || berth.PasswordFits(broken, "") {
			t.Errorf("%q is somebody's", broken)
		}
	}
}

func TestPasswordsHaveALength(t *testing.T) {
	for length, ok := range map[int]bool{0: false, 7: false, 8: true, 256: true, 257: false} {
		if err := berth.ValidatePassword(berth.NewSecret(strings.Repeat("x", length))); (err == nil) != ok {
			t.Errorf("%d: %v", length, err)
		}
	}
}

func TestNetworksAreWrittenInOneWay(t *testing.T) {
	got, err := berth.ParseNetworks([]string{"10.1.2.3/8", "192.0.2.7", " 2001:db8::1/32", "::ffff:192.0.2.8", "::ffff:10.0.0.0/104", "fe80::1%eth0"})
	want := []string{"10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "192.0.2.8/32", "10.0.0.0/8", "fe80::1/128"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
	for _, text := range []string{"", "office", "10.0.0.0/33", "10.0.0/8", "10.0.0.0-10.0.0.9", "0.0.0.0/0/0"} {
		if got, err := berth.ParseNetworks([]string{text}); berth.CodeOf(err) != berth.EInvalid {
			t.Errorf("%q is %v", text, got)
		}
	}
	var many []string
	for n := range 101 {
		many = append(many, fmt.Sprintf("10.0.0.%d", n))
	}
	if _, err := berth.ParseNetworks(many); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("101 networks: %v", err)
	}
}

func TestAHostsOwnProtectionGoesBeforeTheDeployments(t *testing.T) {
	all := berth.Protection{Hash: "all"}
	own := berth.Protection{Element: "web", Identifier: "app"}
	for _, list := range [][]berth.Protection{{all, own}, {own, all}} {
		if got := berth.ProtectionOf(list, "web", "app"); got.Hash != "" || got.Element != "web" {
			t.Errorf("own: %+v", got)
		}
		if got := berth.ProtectionOf(list, "web", "admin"); got.Hash != "all" {
			t.Errorf("another: %+v", got)
		}
	}
	if got := berth.ProtectionOf([]berth.Protection{own}, "api", "app"); !got.Open() {
		t.Errorf("none: %+v", got)
	}
}
