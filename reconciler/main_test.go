package reconciler_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain bounds the random lives (each drives a database): more with -rapid.checks.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "12"); err != nil {
		panic(err)
	}
	flag.Parse()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}
