//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/install"
)

func TestNobodyIsTakenToHaveAgreed(t *testing.T) {
	for _, test := range []struct {
		name     string
		yes, tty bool
		typed    string
		goesOn   bool
	}{
		{"a script that says --yes", true, false, "", true},
		{"a script that does not", false, false, "uninstall\n", false},
		{"a person who says the word", false, true, "uninstall\n", true},
		{"a person who says another", false, true, "y\n", false},
		{"a person who goes away", false, true, "", false},
	} {
		c := newCLI(t)
		c.terminal.in, c.in = test.tty, strings.NewReader(test.typed)
		if err := c.confirmed(test.yes, "Sure? ", "uninstall", "nothing was removed"); (err == nil) != test.goesOn {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestWhatIsLeftIsAFailure(t *testing.T) {
	c := newCLI(t)
	others := []install.Count{{Kind: "container", Before: 3, After: 3}}
	if err := c.printProof(install.Proof{Removed: 4, Others: others}); err != nil {
		t.Error(err)
	}
	if err := c.printProof(install.Proof{Removed: 3, Left: []install.Belonging{{Kind: "file", Name: "/x"}}, Others: others}); err == nil {
		t.Error("something is left, and it is called a success")
	}
	for _, line := range []string{"4 of 4 are gone.", "3 of 4 are gone.", "left: file /x", "containers of others: 3 before, 3 of them still there."} {
		if !strings.Contains(c.out.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, c.out)
		}
	}
}
