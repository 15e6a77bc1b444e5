package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// createKey makes a key and its file. The file appears whole or not at all, also after a power cut,
// and never replaces another: of two processes that create it, both go on with the first one's key.
func createKey(file string) (*age.X25519Identity, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	err = writeOnce(file, identity.String()+"\n")
	if errors.Is(err, fs.ErrExist) {
		return readKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	return identity, nil
}

func writeOnce(file, text string) (err error) {
	dir := filepath.Dir(file)
	draft, err := os.CreateTemp(dir, ".key-") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	_, err = draft.WriteString(text)
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), file); err != nil { // unlike Rename, refuses to replace
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
