package install

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// record is what was installed and how the server is started.
type record struct {
	Version string   `json:"version"`
	Domain  string   `json:"domain,omitempty"`
	HTTP    string   `json:"http"`
	HTTPS   string   `json:"https"`
	SSH     string   `json:"ssh,omitempty"`
	Proxy   bool     `json:"proxy,omitempty"` // somebody else has the standard ports, and passes them on
	Docker  string   `json:"docker,omitempty"`
	Serve   []string `json:"serve,omitempty"`
}

// readRecord is the zero record where Berth was not installed, and for whoever may not look.
func readRecord(l layout) (r record, installed bool, err error) {
	text, err := os.ReadFile(l.record())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("read what was installed: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, false, fmt.Errorf("read %s: %w", l.record(), err)
	}
	return r, true, nil
}

func (r record) write(l layout) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write what is installed: %w", err)
	}
	return replaceFile(l.record(), append(text, '\n'), 0o600)
}

// wanted is the record that an installation with these options leaves.
func (o Options) wanted(before record) record {
	r := record{
		Version: o.Version,
		Domain:  cmp.Or(o.Domain, before.Domain),
		HTTP:    cmp.Or(o.HTTP, before.HTTP, defaultHTTP),
		HTTPS:   cmp.Or(o.HTTPS, before.HTTPS, defaultHTTPS),
		SSH:     cmp.Or(o.SSH, before.SSH, defaultSSH),
		Proxy:   o.BehindProxy || before.Proxy && o.HTTP == "" && o.HTTPS == "",
		Docker:  cmp.Or(o.Docker, before.Docker),
		Serve:   before.Serve,
	}
	if o.Serve != nil {
		r.Serve = o.Serve
	}
	return r
}

// line is the command that runs the server, the same at boot as by hand.
func (r record) line(l layout) []string {
	line := []string{l.binary(), "serve", "--data", l.data, "--socket", l.socket(), "--agent", l.agent(),
		"--environment", l.environment(), "--http", r.HTTP, "--https", r.HTTPS, "--ssh", r.SSH}
	if r.Proxy {
		line = append(line, "--public-https", "443")
	}
	if r.Domain != "" {
		line = append(line, "--domain", r.Domain)
	}
	if r.Docker != "" {
		line = append(line, "--docker", r.Docker)
	}
	return append(line, r.Serve...)
}
