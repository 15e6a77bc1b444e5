package daemon

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/berth-dev/berth/apiwire"
	guide "github.com/berth-dev/berth/docs/guide"
	"github.com/berth-dev/berth/ui"
)

func (d *Daemon) openConsole(context.Context) (err error) {
	d.ui, err = ui.New(ui.Config{
		Service: d.as, Authenticate: d.control.AuthenticateLogin, LinkOf: d.control.LinkOf, EnterByLink: d.control.EnterByLink,
		LoginByPassword: d.control.LoginByPassword, Logout: d.control.Logout, RoleOn: d.control.RoleOn,
		Changes: d.store.Subscribe, Guide: guide.Pages(), CA: d.certs.CAPEM, Version: d.config.Version, Log: d.log, Now: time.Now,
	})
	return err
}

// console answers at the console's host: the API where programs ask for it, pages everywhere else.
func (d *Daemon) console(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, apiwire.Prefix+"/") || r.URL.Path == "/openapi.json" {
		d.api.ServeHTTP(w, r)
		return
	}
	d.ui.ServeHTTP(w, r)
}
