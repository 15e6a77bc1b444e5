package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth/client"
)

// credentialsFile is where a login is kept, readable by its person only.
func (a *app) credentialsFile() string { return filepath.Join(a.config, "config.json") }

// credentials reads the login of this person; ok is false when there is none.
func (a *app) credentials() (c client.Credentials, ok bool, err error) {
	text, err := os.ReadFile(a.credentialsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("read login: %w", err)
	}
	if err := c.Unmarshal(text); err != nil {
		return c, false, fmt.Errorf("%s is damaged, delete it and log in again: %w", a.credentialsFile(), err)
	}
	return c, true, nil
}

// keep stores a login in place of the one before, at once or not at all.
func (a *app) keep(c client.Credentials) error {
	text, err := c.Marshal()
	if err != nil {
		return fmt.Errorf("write login: %w", err)
	}
	if err := replacePrivate(a.credentialsFile(), text); err != nil {
		return fmt.Errorf("store login: %w", err)
	}
	return nil
}

// replacePrivate writes a file that its person alone may read, at once or not at all.
func replacePrivate(file string, text []byte) (err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	draft, err := os.CreateTemp(dir, filepath.Base(file)+"-*") // made 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(draft.Name()))
		}
	}()
	_, err = draft.Write(text)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), file)
}
