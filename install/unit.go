package install

import (
	"strings"
)

// unit is the service for systemd. It starts after Docker and goes on without it: the server is started
// again until the engine answers.
func unit(line []string) string {
	return `[Unit]
Description=Berth, deployments of your applications
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
ExecStart=` + unitLine(line) + `
Restart=always
RestartSec=2
TimeoutStopSec=60
OOMScoreAdjust=-500
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`
}

// unitLine quotes a command for a unit, in which % and $ would begin something else.
func unitLine(line []string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`)
	return quoted(line, func(s string) string { return `"` + escape.Replace(s) + `"` })
}

// shellLine quotes a command for people, who may give it to a shell.
func shellLine(line []string) string {
	return quoted(line, func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" })
}

// quoted leaves words alone that are safe everywhere.
func quoted(line []string, quote func(string) string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@+"
	words := make([]string, len(line))
	for i, word := range line {
		words[i] = word
		if word == "" || strings.Trim(word, safe) != "" {
			words[i] = quote(word)
		}
	}
	return strings.Join(words, " ")
}
