package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/berth-dev/berth"
	"golang.org/x/crypto/ssh"
)

// gitUser is the user name that leads to repositories and not to a deployment.
const gitUser = "git"

// nobody stands for whoever's key is nobody's, so that as much work is done for them.
func nobody() berth.Caller { return berth.Caller{Person: "nobody"} }

var errNotIn = errors.New("not let in")

// algorithms are what both sides can agree on: nothing with SHA-1, and no MAC that is not encrypt-then-MAC.
func algorithms() ssh.Config {
	return ssh.Config{
		KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521},
		Ciphers:      []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR},
		MACs:         []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
	}
}

func keyAlgorithms() []string {
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
}

// entry is somebody who has shown that they hold a key.
type entry struct {
	caller berth.Caller
	keyID  berth.ID
	key    ssh.PublicKey
}

// login speaks SSH up to the point where a person is in. The deadline grows once a key was shown that may enter:
// then somebody may have to type a passphrase.
func (s *Server) login(ctx context.Context, raw net.Conn) (*connection, error) {
	_ = raw.SetDeadline(time.Now().Add(s.Handshake))
	var in entry
	config := &ssh.ServerConfig{
		Config: algorithms(), PublicKeyAuthAlgorithms: keyAlgorithms(), MaxAuthTries: maxTries, ServerVersion: "SSH-2.0-Berth",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if _, err := s.authorise(ctx, key, meta.User()); err != nil {
				return nil, errNotIn
			}
			_ = raw.SetDeadline(time.Now().Add(s.Login))
			return &ssh.Permissions{}, nil
		},
		VerifiedPublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			e, err := s.authorise(ctx, key, meta.User())
			if err != nil {
				return nil, errNotIn
			}
			in = e
			return p, nil
		},
	}
	for _, signer := range s.signers {
		config.AddHostKey(signer)
	}
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	_ = raw.SetDeadline(time.Time{})
	return newConnection(s, conn, in, channels, requests), nil
}

// authorise decides by key and user name together, with the same work whatever of them is wrong: nobody finds out
// by trying which deployments there are.
func (s *Server) authorise(ctx context.Context, key ssh.PublicKey, user string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	caller, id, unknown := s.Gateway.Identify(ctx, key.Marshal())
	if unknown != nil {
		caller = nobody()
	}
	err := s.mayEnter(ctx, caller, user)
	if unknown != nil {
		err = unknown
	}
	return entry{caller: caller, keyID: id, key: key}, err
}

// mayEnter is an error only where it is certain that somebody may not.
func (s *Server) mayEnter(ctx context.Context, caller berth.Caller, user string) error {
	if user == gitUser && s.Repositories != nil {
		return nil
	}
	return s.Gateway.May(ctx, caller, user)
}

// isOut reports whether an error says that somebody may not be here, and not that something is amiss.
func isOut(err error) bool {
	switch berth.CodeOf(err) {
	case berth.EUnauthenticated, berth.EForbidden, berth.ENotFound, berth.EInvalid:
		return true
	}
	return false
}
