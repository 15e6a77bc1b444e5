package berth

import "time"

// Certificate is what vouches for a host, and why it is not a better one.
type Certificate struct {
	Issuer   string           `json:"issuer"` // of what visitors are shown
	State    CertificateState `json:"state"`
	NotAfter time.Time        `json:"notAfter,omitzero"`
	Message  string           `json:"message,omitempty"`
}

// CertificateState says how far a host is on its way to a public certificate. Until it is there, visitors
// are shown one of the server's own authority.
type CertificateState string

const (
	CertificatePublic  CertificateState = "public"  // issued by somebody whom browsers trust
	CertificateLocal   CertificateState = "local"   // no public issuer is asked
	CertificateWaiting CertificateState = "waiting" // an issuer is being asked, or the DNS does not know the host yet
	CertificateRefused CertificateState = "refused" // the issuers said no; they are asked again later
)

// PinnedProtocol is offered in the TLS handshake (ALPN) by clients that trust the server's own authority and
// nobody else: they are shown its certificate also when there is a public one.
const PinnedProtocol = "berth-pinned"
