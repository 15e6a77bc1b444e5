package daemon

import (
	"net/http"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/forge"
	"github.com/berth-dev/berth/hooks"
)

// hooks hears what Git hosts deliver, beside next.
func (d *Daemon) hooks(next http.Handler) http.Handler {
	ours := hooks.New(hooks.Config{Take: d.control.TakeDelivery, Log: d.log})
	return beside(hooks.Prefix, ours, next)
}

// readDelivery is forge's, as control asks for it.
func readDelivery(header http.Header, body []byte, secret berth.Secret) (push bool, branch string, err error) {
	delivery, err := forge.ReadDelivery(header, body, secret)
	return delivery.Push, delivery.Branch, err
}

func (d *Daemon) hookURL(path string) string { return d.names.consoleURL() + hooks.Prefix + path }
