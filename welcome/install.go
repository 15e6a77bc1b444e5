package welcome

import (
	"bytes"
	_ "embed"
	"net/http"
	"regexp"
	"text/template"
)

//go:embed install.sh
var installSource string

var installScript = template.Must(template.New("install").Parse(installSource))

// plainAddress is all that may stand in a script: what a client calls us is text from elsewhere.
var plainAddress = regexp.MustCompile(`^http://[a-z0-9.:\[\]-]+$`)

func (w *Welcome) install(rw http.ResponseWriter, r *http.Request) {
	server := address(r)
	if !plainAddress.MatchString(server) {
		http.Error(rw, "There is no server of this name.", http.StatusBadRequest)
		return
	}
	var script bytes.Buffer
	if err := installScript.Execute(&script, server); err != nil {
		http.Error(rw, "The script cannot be made.", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	_, _ = rw.Write(script.Bytes())
}
