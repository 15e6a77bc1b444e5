package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-dev/berth/welcome"
)

func (d *Daemon) openWelcome(context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	d.cli = &welcome.CLI{Dir: filepath.Join(d.dirs.data, "cli"), Beside: filepath.Dir(self), Version: d.config.Version, Self: self}
	d.welcome = welcome.New(welcome.Config{
		Ours: func(host string) bool { return host == d.names.domain || host == d.names.console() },
		CA:   d.certs.CAPEM, Fingerprint: d.certs.Fingerprint, Domain: d.names.domain, CLI: d.cli,
	})
	return nil
}

// installCommand brings the command line to another machine. Names that only this one knows lead nobody here.
func (d *Daemon) installCommand() string {
	if strings.HasSuffix(d.names.domain, ".localhost") {
		return ""
	}
	checksum, err := d.cli.Checksum()
	if err != nil || checksum == "" {
		return ""
	}
	port := ""
	if p := portOf(d.httpListener.Addr()); p != 80 && d.config.PublicHTTPS == 0 { // a proxy has the standard one
		port = fmt.Sprintf(":%d", p)
	}
	return fmt.Sprintf("curl -fsS http://%s%s/install.sh | sh -s -- %s", d.names.console(), port, checksum)
}
