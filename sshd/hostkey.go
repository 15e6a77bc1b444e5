package sshd

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// HostKeyTypes are the keys that a server has, the one that clients prefer first.
func HostKeyTypes() []string {
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSA}
}

const hostRSABits = 3072

// NewHostKey makes a key of one of HostKeyTypes, as PEM in OpenSSH's format.
func NewHostKey(kind string) (berth.Secret, error) {
	var key crypto.PrivateKey
	var err error
	switch kind {
	case ssh.KeyAlgoED25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case ssh.KeyAlgoECDSA256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ssh.KeyAlgoRSA:
		key, err = rsa.GenerateKey(rand.Reader, hostRSABits)
	default:
		err = fmt.Errorf("there is no type %s", kind)
	}
	if err != nil {
		return berth.Secret{}, fmt.Errorf("make host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return berth.Secret{}, fmt.Errorf("encode host key: %w", err)
	}
	return berth.NewSecret(string(pem.EncodeToMemory(block))), nil
}

// PublicKeys are the server's own keys as lines of known_hosts without the host. They are for reading.
func (s *Server) PublicKeys() []string { return s.lines }

// showHostKeys tells a client all the keys that the server has, so that it learns those it does not know yet
// (OpenSSH's PROTOCOL, §2.5).
func (c *connection) showHostKeys() {
	var payload []byte
	for _, signer := range c.server.signers {
		payload = append(payload, ssh.Marshal(struct{ Key []byte }{signer.PublicKey().Marshal()})...)
	}
	_, _, _ = c.conn.SendRequest("hostkeys-00@openssh.com", false, payload)
}

// proveHostKeys signs, with each key that the client asks for, what binds it to this connection.
func (c *connection) proveHostKeys(payload []byte) (ok bool, answer []byte) {
	for len(payload) > 0 {
		var asked struct {
			Key  []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(payload, &asked); err != nil {
			return false, nil
		}
		payload = asked.Rest
		signature, err := c.prove(asked.Key)
		if err != nil {
			return false, nil
		}
		answer = append(answer, ssh.Marshal(struct{ Signature []byte }{ssh.Marshal(signature)})...)
	}
	return len(answer) > 0, answer
}

func (c *connection) prove(blob []byte) (*ssh.Signature, error) {
	for _, signer := range c.server.signers {
		if string(signer.PublicKey().Marshal()) != string(blob) {
			continue
		}
		proof := ssh.Marshal(struct {
			Name         string
			Session, Key []byte
		}{"hostkeys-prove-00@openssh.com", c.conn.SessionID(), blob})
		if signer.PublicKey().Type() != ssh.KeyAlgoRSA {
			return signer.Sign(rand.Reader, proof)
		}
		bySum, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			break
		}
		return bySum.SignWithAlgorithm(rand.Reader, proof, c.rsaAlgorithm())
	}
	return nil, fmt.Errorf("prove host key: this is none of ours")
}

// rsaAlgorithm is the one that the client has agreed to, if it met an RSA key.
func (c *connection) rsaAlgorithm() string {
	if m, ok := c.conn.Conn.(ssh.AlgorithmsConnMetadata); ok && m.Algorithms().HostKey == ssh.KeyAlgoRSASHA256 {
		return ssh.KeyAlgoRSASHA256
	}
	return ssh.KeyAlgoRSASHA512
}
