package githttp

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
)

const (
	zeros = "0000000000000000000000000000000000000000"
	ones  = "1111111111111111111111111111111111111111"
	twos  = "2222222222222222222222222222222222222222"
)

func push(capabilities string, lines ...string) string {
	text := ""
	for i, line := range lines {
		if i == 0 && capabilities != "" {
			line += "\x00" + capabilities
		}
		text += packet(line)
	}
	return text + flush
}

func TestCommandsAreReadUpToTheirFlush(t *testing.T) {
	in := bufio.NewReader(strings.NewReader(push(" report-status side-band-64k agent=git/2", ones+" "+twos+" refs/heads/main\n", "shallow "+ones, zeros+" "+ones+" refs/tags/v 1") + "PACK…"))
	c, err := readCommands(in)
	if err != nil || !c.sideBand || !c.status {
		t.Fatalf("%+v, %v", c, err)
	}
	if want := []command{{ones, twos, "refs/heads/main"}, {zeros, ones, "refs/tags/v 1"}}; !slices.Equal(c.list, want) {
		t.Errorf("read %v, want %v", c.list, want)
	}
	if rest, _ := in.ReadString(0); rest != "PACK…" {
		t.Errorf("%q is left", rest)
	}
	for name, text := range map[string]string{
		"nothing": "", "no length": "zzzz", "too short a length": "0003", "cut off": "00ff" + ones, "no flush": packet(ones + " " + twos + " refs/heads/a"),
		"no command": push("", "hello"), "half a name": push("", "12 34 refs/heads/a"), "endless": strings.Repeat(packet(ones+" "+twos+" refs/heads/"+strings.Repeat("a", 60000)), 20),
	} {
		if _, err := readCommands(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s is taken for a push", name)
		}
	}
}

func TestWhatIsRefusedOfAPush(t *testing.T) {
	p := berth.Project{DefaultBranch: "main", Protected: []string{"live"}}
	for text, want := range map[string]string{
		ones + " " + twos + " refs/heads/live":       "",
		ones + " " + zeros + " refs/heads/topic":     "",
		ones + " " + zeros + " refs/tags/v1":         "",
		ones + " " + zeros + " refs/heads/live":      "protected",
		ones + " " + zeros + " refs/heads/main":      "default branch",
		zeros + " " + ones + " refs/berth/releases":  "only branches and tags",
		zeros + " " + ones + " HEAD":                 "only branches and tags",
		zeros + " " + ones + " refs/headsup/a":       "only branches and tags",
		zeros + " " + ones + " refs/heads/../config": "", // git itself refuses such a name
	} {
		c, err := readCommands(bufio.NewReader(strings.NewReader(push("report-status side-band-64k", text))))
		if err != nil {
			t.Fatal(err)
		}
		reason := c.refusals(p)[c.list[0].ref]
		if (want == "") != (reason == "") || !strings.Contains(reason, want) {
			t.Errorf("%s: %q, want %q", text, reason, want)
		}
		if reason != "" && !strings.Contains(c.refuse(c.refusals(p)), "ng "+c.list[0].ref+" "+reason) {
			t.Errorf("the client is not told: %q", c.refuse(c.refusals(p)))
		}
	}
}

// Whatever the sizes in which git writes, the client gets all of it, what is said, and then the flush.
func TestWhatIsSaidComesBeforeTheEnd(t *testing.T) {
	report := packet("\x01unpack ok\n") + flush
	for size := 1; size <= len(report); size++ {
		var got bytes.Buffer
		h := &held{w: &got}
		for chunk := range slices.Chunk([]byte(report), size) {
			if _, err := h.Write(chunk); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.say("hello"); err != nil {
			t.Fatal(err)
		}
		h.end()
		if want := packet("\x01unpack ok\n") + packet("\x02hello\n") + flush; got.String() != want {
			t.Fatalf("in pieces of %d: %q, want %q", size, &got, want)
		}
	}
	h := &held{w: &bytes.Buffer{}}
	if err := h.say("too early"); err == nil {
		t.Error("something was said into the middle of git's answer")
	}
}

func FuzzCommands(f *testing.F) {
	f.Add([]byte(push(" report-status", ones+" "+twos+" refs/heads/main")))
	f.Add([]byte("0000"))
	f.Add([]byte("fff0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := readCommands(bufio.NewReader(bytes.NewReader(text)))
		if err == nil && !bytes.HasPrefix(text, c.raw) {
			t.Errorf("%q is not how %q begins", c.raw, text)
		}
	})
}
