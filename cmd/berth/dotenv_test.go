package main

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/berth-dev/berth"
	"github.com/google/go-cmp/cmp"
)

func TestDotenvOfOthers(t *testing.T) {
	for text, want := range map[string][][2]string{
		"A=1\r\nB=2\r\n":                        {{"A", "1"}, {"B", "2"}},
		"\ufeffA=1":                             {{"A", "1"}},
		"# no\n\n  A = 1 # yes\n":               {{"A", "1"}},
		"export A=1\nexport\tB=2\nexportC=3":    {{"A", "1"}, {"B", "2"}, {"exportC", "3"}},
		"A=\nB=#\nC=a#b\nD=a\t# x":              {{"A", ""}, {"B", ""}, {"C", "a#b"}, {"D", "a"}},
		`A='it is $5 \n' # x`:                   {{"A", `it is $5 \n`}},
		`A="a\nb\t\"c\" \\n \$x $y"`:            {{"A", "a\nb\t\"c\" \\n $x $y"}},
		"A=\"one\r\n  two\r\n\"\nB=x":           {{"A", "one\n  two\n"}, {"B", "x"}},
		"A='-----BEGIN\n=#\n-----END'  # c\nB=": {{"A", "-----BEGIN\n=#\n-----END"}, {"B", ""}},
		"A=b=c":                                 {{"A", "b=c"}},
		"A=1\nA=2":                              {{"A", "1"}, {"A", "2"}},
	} {
		got, err := parseDotenv(".env", text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
}

func TestDotenvErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nhunter2":              ".env:2: this is not KEY=VALUE",
		"A=1\n\nA-B=hunter2":        ".env:3: the part before the = is no name",
		"A='x\ny'\nB=\"hunter2\n\n": ".env:3: the closing quote of this value is missing",
		"A='hunter2' b":             ".env:1: something follows the closing quote",
		"=hunter2":                  ".env:1: the part before the = is no name",
	} {
		_, err := parseDotenv(".env", text)
		if berth.CodeOf(err) != berth.EInvalid || !strings.HasPrefix(berth.MessageOf(err), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestWhatIsExportedIsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const pieces = "aZ9 #'\"\\$`\n\r\t=äx{}!*"
	letters := []rune(pieces)
	for range 20_000 {
		value := make([]rune, r.IntN(12))
		for i := range value {
			value[i] = letters[r.IntN(len(letters))]
		}
		text := "X=y\n" + formatDotenv("A", string(value)) + "\nZ=1"
		got, err := parseDotenv("x", text)
		if want := [][2]string{{"X", "y"}, {"A", string(value)}, {"Z", "1"}}; err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%q became %q, %v", text, got, err)
		}
	}
}

// TestAShellRunsNothingOfWhatIsExported: values are written by others, and people source such files.
func TestAShellRunsNothingOfWhatIsExported(t *testing.T) {
	for _, value := range []string{"a&echo", "`echo run` $(echo run) \"; echo run; \" \\`echo run`"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `eval "$1"; printf %s "$A"`, "sh", formatDotenv("A", value))
		if out, err := cmd.Output(); err != nil || string(out) != value {
			t.Errorf("%q became %q (%v)", value, out, err)
		}
	}
}

func TestEnvExport(t *testing.T) {
	c := newCLI(t)
	c.service.env = append(c.service.env,
		berth.Parameter{Element: "web", Name: "STAGE", Value: "production", Origin: berth.OriginPlatform, ReadOnly: true})
	if code := c.do(t, "env", "export", "web", "web"); code != 0 {
		t.Fatal(c.err)
	}
	want := "PORT=3000\n# SESSION=\nGREETING=\"one\\ntwo\x1b[31m\"\n# STAGE=production\n"
	if diff := cmp.Diff(want, c.out.String()); diff != "" {
		t.Error(diff)
	}
	if code := c.do(t, "env", "export", "web", "web", "--reveal"); code != 0 || !strings.Contains(c.out.String(), "\nSESSION=revealed\n") {
		t.Errorf("exit %d: %s%s", code, c.out, c.err)
	}
}

func TestEnvOfAProject(t *testing.T) {
	c := newCLI(t)
	c.in = strings.NewReader("s3cret\n")
	if code := c.do(t, "env", "set", "--project", "shop", "LEVEL=debug", "STRIPE=-"); code != 0 {
		t.Fatal(c.err)
	}
	if c.service.project != "shop" || c.service.set["LEVEL"] != "debug" || c.service.secrets["STRIPE"] != berth.NewSecret("s3cret") {
		t.Errorf("set %v and %d secrets of %s", c.service.set, len(c.service.secrets), c.service.project)
	}
	if code := c.do(t, "env", "unset", "--project", "shop", "LEVEL"); code != 0 || strings.Join(c.service.unset, " ") != "LEVEL" {
		t.Errorf("exit %d: unset %v: %s", code, c.service.unset, c.err)
	}
	if code := c.do(t, "env", "ls", "--project", "shop"); code != 0 || !strings.Contains(c.out.String(), "(all)    TOKEN  •••    project") {
		t.Errorf("exit %d: %s%s", code, c.out, c.err)
	}
	c.mustFail(t, exitFailed, "TOKEN is a secret", "env", "set", "--project", "shop", "TOKEN=x")
	c.mustFail(t, exitFailed, "unknown command", "env", "ls", "--project", "shop", "web")
}
