package docker

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12346 1
   2: 4600C90A:0BB8 0200C90A:C000 01 00000000:00000000 00:00000000 00000000     0        0 12347 1
`

const tcp6Table = `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000001000000:1388 00000000000000000000000000000000:0000 0A
   2: 0000000000000000FFFF00000100007F:1389 00000000000000000000000000000000:0000 0A
`

func TestParseListening(t *testing.T) {
	var got []string
	for _, a := range append(parseListening(tcpTable), parseListening(tcp6Table)...) {
		got = append(got, a.String())
	}
	want := []string{"127.0.0.1:8080", "0.0.0.0:3000", "[::]:80", "[::1]:5000", "127.0.0.1:5001"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseListening(f *testing.F) {
	f.Add(tcpTable)
	f.Add(tcp6Table)
	f.Fuzz(func(t *testing.T, table string) {
		for _, a := range parseListening(table) {
			if !a.Addr().IsValid() {
				t.Errorf("an invalid address from %q", table)
			}
		}
	})
}

func TestWrongPort(t *testing.T) {
	for _, test := range []struct {
		name, sockets string
		kind          berth.StageKind
		want          string
	}{
		{"nothing listens", "", berth.KindBuild, ""},
		{"it listens, and yet does not answer", "0.0.0.0:3000 [::]:9229", berth.KindBuild, ""},
		{"elsewhere", "0.0.0.0:8080", berth.KindBuild, "listens on 8080, but the project declares 3000"},
		{"elsewhere, twice", "0.0.0.0:8080 [::]:8080 127.0.0.1:9229", berth.KindBuild, "listens on 8080 and 9229, but the project declares 3000"},
		{"for itself only", "127.0.0.1:3000", berth.KindBuild, "0.0.0.0"},
		{"for itself only, which will do in development", "[::1]:3000", berth.KindDevelopment, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var sockets []netip.AddrPort
			for _, s := range strings.Fields(test.sockets) {
				sockets = append(sockets, netip.MustParseAddrPort(s))
			}
			got := wrongPort(sockets, 3000, test.kind)
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
