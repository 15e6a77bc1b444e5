package machine

// Bundles are where distributions keep the machine's CA bundle, as in crypto/x509.
var Bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// Settings are the variables of the environment that say how this machine reaches the world.
var Settings = []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
	"npm_config_registry", "PIP_INDEX_URL", "GOPROXY"}

// TrustSettings are those that say whom it believes.
var TrustSettings = []string{"SSL_CERT_FILE", "GIT_SSL_CAINFO"}
