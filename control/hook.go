package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/berth-dev/berth"
)

// heardFor is how long a delivery is remembered, so that whoever recorded one cannot use it again soon.
const heardFor = 24 * time.Hour

// Hook shows how a project is told that a branch moved.
func (s *Service) Hook(ctx context.Context, project string) (h berth.Hook, err error) {
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.project(tx, HookRead, project)
		if err != nil {
			return err
		}
		stored, ok, err := tx.Hook(p.ID)
		h = s.control.shownHook(p, stored, ok)
		return err
	})
	return h, err
}

// RotateHook makes a new URL and a new secret.
func (s *Service) RotateHook(ctx context.Context, project string) (h berth.Hook, secret berth.Secret, err error) {
	secret = berth.NewSecret(rand.Text())
	sealed, err := s.control.Vault.Seal(secret)
	if err != nil {
		return h, berth.Secret{}, err
	}
	err = s.update(ctx, func(tx Tx) error {
		p, err := s.project(tx, HookRotate, project)
		if err != nil {
			return err
		}
		if p.GitURL == "" {
			return berth.Errorf(berth.EConflict, "project %s has a repository of Berth's own, which tells of pushes by itself", p.Name)
		}
		stored := berth.StoredHook{Project: p.ID, Path: rand.Text(), Sealed: sealed, CreatedAt: tx.Now()}
		h = s.control.shownHook(p, stored, true)
		if err := tx.PutHook(stored); err != nil {
			return err
		}
		return tx.AppendEvent(berth.Event{Project: p.ID, Person: s.caller.Name, Kind: "hook.rotated", Message: "project " + p.Name + " has a new hook; the former one ended"})
	})
	if err != nil {
		return berth.Hook{}, berth.Secret{}, err
	}
	return h, secret, nil
}

func (c *Control) shownHook(p berth.Project, stored berth.StoredHook, ok bool) berth.Hook {
	var h berth.Hook
	if u, err := berth.ParseGitURL(p.GitURL); err == nil {
		h.Page = c.HookPage(u)
	}
	if ok {
		h.URL, h.CreatedAt, h.HeardAt, h.Heard = c.HookURL(stored.Path), stored.CreatedAt, stored.HeardAt, stored.Heard
	}
	return h
}

// TakeDelivery hears what came to a hook, and says what becomes of it. It is only a hint: what is deployed is what
// is found at the project's own origin. ENotFound for a hook that there is not, EForbidden for an unsigned delivery.
func (c *Control) TakeDelivery(ctx context.Context, path string, header http.Header, body []byte) (answer string, err error) {
	var h berth.StoredHook
	if err := c.Store.View(ctx, func(tx Tx) (err error) { h, err = tx.HookByPath(path); return err }); err != nil {
		return "", err
	}
	secret, err := c.Vault.Unseal(h.Sealed)
	if err != nil {
		return "", err
	}
	push, branch, err := c.ReadDelivery(header, body, secret)
	if err != nil {
		return "", err
	}
	answer = "heard; it was no push to a branch"
	if push && branch != "" {
		answer = "heard; what follows " + branch + " is looked at"
	}
	hash, first := sha256.Sum256(body), false
	err = c.Store.Update(ctx, func(tx Tx) (err error) {
		first, err = tx.HearHook(h.Project, hex.EncodeToString(hash[:]), answer, c.Now().Add(-heardFor))
		return err
	})
	switch {
	case err != nil:
		return "", err
	case !first:
		return "heard before; nothing is done", nil
	case push && branch != "" && c.Moved != nil:
		c.rests.end(h.Project) // its host is there
		c.Moved(h.Project)
	}
	return answer, nil
}
