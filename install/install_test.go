package install

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/docker"
	"github.com/berth-dev/berth/machine"
)

// debian are facts of a Debian machine with a Docker Engine.
func debian() machine.Facts {
	return machine.Facts{Apt: true, Systemd: true, CABundle: true, Cgroup: machine.Cgroup{Version: 2}, Engine: machine.Engine{Answers: true, Installed: true}}
}

func TestPackagesAreThoseThatAreMissing(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*machine.Facts)
		want   string
	}{
		"nothing":                     {func(*machine.Facts) {}, ""},
		"no engine":                   {func(f *machine.Facts) { f.Engine = machine.Engine{} }, "docker.io"},
		"an engine that does not run": {func(f *machine.Facts) { f.Engine.Answers = false }, ""},
		"a bare machine": {func(f *machine.Facts) {
			*f = machine.Facts{Apt: true, Missing: []string{"git", "iptables", "debootstrap"}}
		}, "docker.io git iptables debootstrap ca-certificates cgroupfs-mount"},
		"no apt": {func(f *machine.Facts) { *f = machine.Facts{Missing: []string{"git"}} }, ""},
	} {
		f := debian()
		test.change(&f)
		if got := strings.Join(packagesFor(f), " "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestOnlyWhatInstallingDoesNotMendIsAReasonNotTo(t *testing.T) {
	broken := func(check string) []Finding {
		return []Finding{{Check: check, Level: machine.Broken, Message: "M.", Mend: "do " + check}}
	}
	bare := machine.Facts{Apt: true}
	for _, test := range []struct {
		check string
		facts machine.Facts
		stops bool
	}{
		{"memory", debian(), true}, {"clock", debian(), true}, {"ports", debian(), true}, {"disk", debian(), true},
		{"engine", bare, false}, {"programs", bare, false}, {"trust", bare, false}, {"cgroup", bare, false},
		{"engine", machine.Facts{}, true}, {"programs", machine.Facts{}, true},
		{"engine", machine.Facts{Engine: machine.Engine{Installed: true}}, false},
		{"engine", debian(), true}, // it answers, so it is too old
	} {
		err := refuse(broken(test.check), test.facts)
		if (err != nil) != test.stops {
			t.Errorf("%s on %+v: %v", test.check, test.facts, err)
		}
		if err != nil && (berth.CodeOf(err) != berth.EUnsupported || !strings.Contains(err.Error(), "nothing was changed") || !strings.Contains(err.Error(), "do "+test.check)) {
			t.Errorf("it says %q", err)
		}
	}
	if err := refuse([]Finding{{Check: "memory", Level: machine.Warning}}, debian()); err != nil {
		t.Errorf("a warning stops: %v", err)
	}
}

func TestTakenPortsAreLeftToTheirHolders(t *testing.T) {
	s := survey{facts: machine.Facts{Ports: []machine.Port{
		{Flag: "--http", Address: ":80"}, {Flag: "--https", Address: ":443", Holder: "nginx (process 42)"},
		{Flag: "--ssh", Address: ":2222", Holder: "sshd (process 7)"},
	}}, published: map[int]string{8443: "shop", 2222: "git"}}
	free := s.elsewhere(record{HTTP: ":80", HTTPS: ":443", SSH: ":2222"})
	if free.HTTP != ":80" || free.HTTPS == ":443" || free.HTTPS == ":8443" || free.SSH == ":2222" {
		t.Errorf("it would listen on %+v", free)
	}
	words := takenWords(s.taken(), free)
	if !strings.Contains(words, ":443 is taken by nginx (process 42)") || !strings.Contains(words, free.HTTPS+" (HTTPS)") || !strings.Contains(words, free.SSH+" (SSH)") {
		t.Errorf("it says %q", words)
	}
	httpAddress, httpsAddress := s.onLoopback()
	if !onLoopback(httpAddress) || !onLoopback(httpsAddress) || onLoopback(":443") || onLoopback("192.0.2.1:443") {
		t.Errorf("behind a proxy: HTTP at %s, HTTPS at %s", httpAddress, httpsAddress)
	}
}

func TestTheSameLineEverywhere(t *testing.T) {
	l := layout{"/", "/srv/my data"}
	line := record{HTTP: ":80", HTTPS: ":443", SSH: ":2222", Domain: "apps.example.com", Serve: []string{"--build-memory", "5%"}}.line(l)
	want := `ExecStart=/usr/local/bin/berth serve --data "/srv/my data" --socket /run/berth.sock --agent /usr/local/lib/berth/berth-agent ` +
		`--environment "/srv/my data/environment" --http :80 --https :443 --ssh :2222 --domain apps.example.com --build-memory "5%%"`
	if text := unit(line); !slices.Contains(strings.Split(text, "\n"), want) {
		t.Errorf("the unit has no line\n%s\nin\n%s", want, text)
	}
	if got := shellLine([]string{"a", "b c", "it's"}); got != `a 'b c' 'it'\''s'` {
		t.Errorf("for a shell: %s", got)
	}
	if got := flagOf(line, "--https"); got != ":443" {
		t.Errorf("--https is %q", got)
	}
	if got := flagOf([]string{"berth", "serve", "--https=:8443"}, "--https"); got != ":8443" {
		t.Errorf("--https=… is %q", got)
	}
}

func TestWhatIsNotSaidAgainStaysAsItWas(t *testing.T) {
	before := record{HTTP: ":8080", HTTPS: ":8443", Domain: "apps.example.com", Docker: "unix:///x", Serve: []string{"--a"}}
	if got := (Options{Version: "v2", HTTPS: ":443"}).wanted(before); got.HTTP != ":8080" || got.HTTPS != ":443" || got.Domain != "apps.example.com" ||
		got.Docker != "unix:///x" || !slices.Equal(got.Serve, []string{"--a"}) || got.Version != "v2" {
		t.Errorf("%+v", got)
	}
	proxied := (Options{BehindProxy: true, HTTP: "127.0.0.1:8080", HTTPS: "127.0.0.1:8443"}).wanted(record{})
	if again := (Options{}).wanted(proxied); !again.Proxy || flagOf(again.line(layout{"/", "/d"}), "--public-https") != "443" {
		t.Errorf("behind a proxy, said again without: %+v", again)
	}
	if away := (Options{HTTP: ":80", HTTPS: ":443"}).wanted(proxied); away.Proxy {
		t.Errorf("on ports of its own: %+v", away)
	}
	if got := (Options{}).wanted(record{}); got.HTTP != ":80" || got.HTTPS != ":443" {
		t.Errorf("the first time: %+v", got)
	}
}

func TestTheServerIsWhoHasTheLock(t *testing.T) {
	locks := "1: POSIX  ADVISORY  WRITE 7 fe:01:99 0 EOF\n2: FLOCK  ADVISORY  WRITE 22502 fe:01:99 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 9 fe:01:99 0 EOF\n3: FLOCK  ADVISORY  WRITE 8 fe:01:98 0 EOF\n"
	if got := holderOf(locks, "fe:01:99"); got != 22502 {
		t.Errorf("process %d", got)
	}
	if got := holderOf(locks, "fe:01:97"); got != 0 {
		t.Errorf("nobody's lock is held by %d", got)
	}
}

// things are what an engine holds: of this server, of another, and of nobody.
func things() []docker.Thing {
	mine, theirs := map[string]string{"sh.berth.build": "me"}, map[string]string{"sh.berth.build": "them"}
	return []docker.Thing{
		{Kind: docker.KindContainer, ID: "c1", Name: "brt-x-web", Server: "me"},
		{Kind: docker.KindContainer, ID: "c2", Name: "brt-y-web", Server: "them"},
		{Kind: docker.KindContainer, ID: "c3", Name: "brt-x-core"},
		{Kind: docker.KindNetwork, ID: "n1", Name: "brt-x", Server: "me"},
		{Kind: docker.KindNetwork, ID: "n2", Name: "brt-z"},
		{Kind: docker.KindImage, ID: "i1", Name: "berth/build-x:1", Labels: mine},
		{Kind: docker.KindImage, ID: "i2", Name: "berth/build-y:1", Labels: theirs},
		{Kind: docker.KindImage, ID: "i3", Name: "decoy:1", Labels: mine},
		{Kind: docker.KindImage, ID: "i4", Name: "berth/node:22"},
		{Kind: docker.KindImage, ID: "i4", Name: "berth/recipe:node-515de8682d114878"},
		{Kind: docker.KindImage, ID: "i4", Name: "mine/node:22"},
		{Kind: docker.KindImage, ID: "i5", Name: "berth/core:a78e39590391"},
		{Kind: docker.KindImage, ID: "i6", Name: "berth/decoy:1"},
		{Kind: docker.KindImage, ID: "i7", Name: "berth/core:latest"},
	}
}

func TestOursIsByLabelAndByNamesThatWeGive(t *testing.T) {
	for _, test := range []struct {
		name        string
		data, alone bool
		want        string
	}{
		{"the last server", true, true, "brt-x-web brt-x berth/build-x:1 berth/node:22 berth/recipe:node-515de8682d114878 berth/core:a78e39590391"},
		{"one of several", true, false, "brt-x-web brt-x berth/build-x:1"},
		{"data stays", false, true, "brt-x-web brt-x"},
	} {
		var names []string
		for _, thing := range ours(things(), "me", test.data, test.alone) {
			names = append(names, thing.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestTheProofCountsWhatIsLeftAndWhatIsOthers(t *testing.T) {
	before := things()
	mine := []Belonging{
		{Kind: docker.KindContainer, Name: "brt-x-web", id: "c1"}, {Kind: docker.KindImage, Name: "berth/build-x:1", id: "i1"},
		{Kind: kindFile, Name: "/gone"}, {Kind: kindFile, Name: "/stays"},
	}
	after := slices.DeleteFunc(slices.Clone(before), func(t docker.Thing) bool { return t.ID == "c1" || t.ID == "c3" })
	p := prove(mine, before, after, func(path string) bool { return path == "/stays" })
	if p.Removed != 2 || len(p.Left) != 2 || p.Left[0].Name != "berth/build-x:1" || p.Left[1].Name != "/stays" {
		t.Errorf("removed %d, left %v", p.Removed, p.Left)
	}
	if want := []Count{{docker.KindContainer, 2, 1}, {docker.KindNetwork, 2, 2}, {docker.KindImage, 8, 8}}; !slices.Equal(p.Others, want) {
		t.Errorf("of others %v, want %v", p.Others, want)
	}
}

func TestProgramsOfAnotherDataDirectoryAreNotOurs(t *testing.T) {
	root := t.TempDir()
	standard, other := Options{Root: root}.withDefaults(), Options{Root: root, Data: filepath.Join(root, "dev")}
	if !standard.ownsPrograms(false) || other.ownsPrograms(false) || !other.ownsPrograms(true) {
		t.Error("without a unit they are of who was installed, else of the standard directory")
	}
	l := standard.layout()
	if err := replaceFile(l.unit(), []byte(unit(record{HTTP: ":80", HTTPS: ":443"}.line(l))), 0o644); err != nil {
		t.Fatal(err)
	}
	if !standard.ownsPrograms(true) || other.ownsPrograms(true) {
		t.Error("they are of whom the unit names")
	}
	for text, mine := range map[string]bool{"ExecStart=/opt/berth serve --data " + other.Data: true, "ExecStart=/opt/berth serve --data=" + standard.Data: false, "ExecStart=/opt/berth serve": false} {
		if err := replaceFile(l.unit(), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if other.ownsPrograms(true) != mine || standard.ownsPrograms(true) == mine {
			t.Errorf("%s: of another", text)
		}
	}
	if err := replaceFile(l.unit(), []byte(unit(record{}.line(l))), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(t.Context(), other); berth.CodeOf(err) != berth.EConflict {
		t.Errorf("another may be put in their place: %v", err)
	}
	r := Removal{options: other, data: true}
	for _, path := range r.paths() {
		if !strings.HasPrefix(path, other.Data+"/") {
			t.Errorf("%s would be removed", path)
		}
	}
}

func TestADirectoryNamedFromHereIsTheSameElsewhere(t *testing.T) {
	t.Chdir(t.TempDir())
	if o := (Options{Root: "machine", Data: "data"}).withDefaults(); !filepath.IsAbs(o.Root) || !filepath.IsAbs(o.Data) || filepath.Base(o.Data) != "data" {
		t.Errorf("%s, %s", o.Root, o.Data)
	}
}

func TestDataThatIsALinkGoesWithWhatItLeadsTo(t *testing.T) {
	root := t.TempDir()
	o := Options{Root: root, Data: filepath.Join(root, "link")}.withDefaults()
	there := filepath.Join(root, "there")
	if err := replaceFile(filepath.Join(there, "berth.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(there, o.Data); err != nil {
		t.Fatal(err)
	}
	r := Removal{options: o, data: true}
	if err := r.removeFiles(t.Context()); err != nil || exists(there) || exists(o.Data) {
		t.Errorf("%v; left: %t, %t", err, exists(there), exists(o.Data))
	}
}

func TestNothingIsRemovedWhenAPersonEndsIt(t *testing.T) {
	root := t.TempDir()
	o := Options{Root: root}.withDefaults()
	l := o.layout()
	for _, file := range []string{l.database(), l.record()} {
		if err := replaceFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := Removal{options: o, data: true, programs: true}
	if _, err := r.Perform(ctx); err == nil || !exists(l.database()) {
		t.Errorf("%v; the database is there: %t", err, exists(l.database()))
	}
}

func TestMountsBelowAreUnmountedDeepestFirst(t *testing.T) {
	info := "1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / /data rw - ext4 /dev/vdb rw\n3 2 0:3 / /data/a\\040b rw - ext4 /dev/loop0 rw\n4 3 0:4 / /data/a\\040b/c rw - tmpfs t rw\n5 1 0:5 / /database rw - tmpfs t rw\n"
	if got := mountsBelow(info, "/data"); !slices.Equal(got, []string{"/data/a b/c", "/data/a b"}) {
		t.Errorf("%q", got)
	}
}

func TestADatabaseComesBackWhole(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("berth.db", "old")
	write("berth.db-wal", "old log")
	if err := copyDatabase(filepath.Join(dir, "berth.db"), filepath.Join(dir, "kept.db")); err != nil {
		t.Fatal(err)
	}
	write("berth.db", "migrated")
	write("berth.db-shm", "index of the migrated one")
	if err := copyDatabase(filepath.Join(dir, "kept.db"), filepath.Join(dir, "berth.db")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"berth.db": "old", "berth.db-wal": "old log"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v)", name, got, err)
		}
	}
	if exists(filepath.Join(dir, "berth.db-shm")) {
		t.Error("a part of the migrated database is left")
	}
}

func TestAReleaseWithAWrongFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"berth-v1-linux-amd64": "a", "berth-v1-windows-arm64.exe": "b", "berth-agent-v1-linux-amd64": "c", "berth-v1-linux-unlisted": "d", "notes": "e",
		"SHA256SUMS": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  berth-v1-linux-amd64\n" +
			"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  berth-v1-windows-arm64.exe\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := openRelease(dir)
	if err != nil || len(r.cli) != 2 || r.cli[0].platform != "linux-amd64" || r.cli[1].platform != "windows-arm64.exe" {
		t.Errorf("%+v: %v", r.cli, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "berth-v1-linux-amd64"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openRelease(dir); berth.CodeOf(err) != berth.EInvalid {
		t.Errorf("a file that was changed: %v", err)
	}
}

func TestTheServerIsToldHowTheMachineReachesTheWorld(t *testing.T) {
	env := map[string]string{"HTTPS_PROXY": "http://proxy:3128", "npm_config_registry": "", "SECRET": "x", "NO_PROXY": "a\nROOT=1", "SUDO_USER": "ada", "USER": "root", "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}
	got := string(environment([]byte("GOPROXY=kept\nHTTPS_PROXY=old\n"), func(name string) (string, bool) { value, ok := env[name]; return value, ok }))
	if want := "GOPROXY=kept\nHTTPS_PROXY=http://proxy:3128\nSSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22\nUSER=ada\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
