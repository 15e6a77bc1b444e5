package control

import (
	"context"

	"github.com/berth-dev/berth"
)

// maxLogin is far more than any registry takes as a name or password.
const maxLogin = 16 << 10

// Registries lists the logins, without passwords.
func (s *Service) Registries(ctx context.Context) (list []berth.Registry, err error) {
	err = s.view(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, RegistryRead, ""); err != nil {
			return err
		}
		list, err = tx.Registries()
		return err
	})
	return list, err
}

// LoginRegistry stores nothing that the registry does not accept.
func (s *Service) LoginRegistry(ctx context.Context, host, username string, password berth.Secret) (berth.Registry, error) {
	if err := s.view(ctx, func(tx Tx) error { return authorise(tx, s.caller, RegistryManage, "") }); err != nil {
		return berth.Registry{}, err
	}
	host, err := berth.ParseRegistry(host)
	if err != nil {
		return berth.Registry{}, err
	}
	switch {
	case username == "" || len(username) > maxLogin:
		return berth.Registry{}, invalid("username", "say as whom to log in")
	case password.Empty() || len(password.Reveal()) > maxLogin:
		return berth.Registry{}, invalid("password", "give the password, or a token in its place")
	}
	if s.control.CheckRegistry != nil {
		if err := s.control.CheckRegistry(ctx, host, username, password); err != nil {
			return berth.Registry{}, err
		}
	}
	sealed, err := s.control.Vault.Seal(password)
	if err != nil {
		return berth.Registry{}, err
	}
	r := berth.Registry{Host: host, Username: username}
	err = s.update(ctx, func(tx Tx) error {
		r.CreatedAt = tx.Now()
		if err := tx.PutRegistry(r, sealed); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "registry.login", Message: "images of " + host + " are pulled as " + username})
	})
	return r, err
}

// LogoutRegistry forgets a login.
func (s *Service) LogoutRegistry(ctx context.Context, host string) error {
	if parsed, err := berth.ParseRegistry(host); err == nil {
		host = parsed
	}
	return s.update(ctx, func(tx Tx) error {
		if err := authorise(tx, s.caller, RegistryManage, ""); err != nil {
			return err
		}
		if err := tx.DeleteRegistry(host); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Person: s.caller.Name, Kind: "registry.logout", Message: "the login to " + host + " was removed"})
	})
}
