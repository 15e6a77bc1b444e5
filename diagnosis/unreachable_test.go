package diagnosis

import "testing"

func TestUnreachable(t *testing.T) {
	const mend = ": check the machine's network, name server and proxy, and try again."
	for name, c := range map[string]struct{ output, want string }{
		"npm":           {"npm error path /app/node_modules/sqlite3\nnpm error FetchError: request to https://nodejs.org/x.tar.gz failed, reason: getaddrinfo EAI_AGAIN nodejs.org", "It could not reach nodejs.org, which it needs for sqlite3" + mend},
		"yarn":          {"error /app/node_modules/sqlite3: Command failed.\nnode-pre-gyp ERR! install request to https://github.com/a/b.tgz failed, reason: getaddrinfo ENOTFOUND github.com", "It could not reach github.com, which it needs for sqlite3" + mend},
		"pip":           {"Failed to establish a new connection: [Errno -2]\nERROR: No matching distribution found for flask==2.0", "It could not reach a server, which it needs for flask" + mend},
		"go":            {`go: example.com/x@v1.2.3: Get "https://proxy.example/x": dial tcp: lookup proxy.example on 127.0.0.11:53: no such host`, "It could not reach proxy.example, which it needs for example.com/x@v1.2.3" + mend},
		"apt":           {"Temporary failure resolving 'deb.example'", "It could not reach deb.example" + mend},
		"curl":          {"curl: (6) Could not resolve host: example.org", "It could not reach example.org" + mend},
		"by address":    {"Error: connect ECONNREFUSED 10.0.0.1:443", "It could not reach 10.0.0.1:443" + mend},
		"another thing": {"SyntaxError: unexpected token", ""},
	} {
		if got := Unreachable("It", c.output); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
