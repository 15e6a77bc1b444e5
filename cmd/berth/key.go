package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) keyCommand() *cobra.Command {
	var person string
	of := func(c *cobra.Command) *cobra.Command {
		c.Flags().StringVar(&person, "person", "", "whose; default: yours")
		return c
	}
	add := leaf("add NAME FILE", "Let whoever has the private half of a key in by SSH; - reads it from stdin", cobra.ExactArgs(2),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			text, err := a.publicKey(args[1])
			if err != nil {
				return err
			}
			k, err := s.AddKey(ctx, person, args[0], text)
			if err == nil {
				fmt.Fprintf(a.out, "Added %s: %s %s\n", k.Name, k.Type, k.Fingerprint)
			}
			return err
		}))
	add.ValidArgsFunction = nil // files
	var asJSON bool
	ls := jsonFlag(leaf("ls", "List your SSH keys", cobra.NoArgs, a.does(func(ctx context.Context, s berth.Service, _ []string) error {
		list, err := s.Keys(ctx, person)
		if err != nil {
			return err
		}
		return printList(a, asJSON, list, []string{"NAME", "TYPE", "FINGERPRINT", "AGE", "USED"}, func(k berth.SSHKey) []cell {
			return row(k.Name, k.Type, k.Fingerprint, a.ago(k.CreatedAt), a.ago(k.LastUsed))
		})
	})), &asJSON)
	rm := leaf("rm NAME", "End an SSH key, and the connections that it let in", cobra.ExactArgs(1),
		a.does(func(ctx context.Context, s berth.Service, args []string) error {
			err := s.DeleteKey(ctx, person, args[0])
			if err == nil {
				fmt.Fprintf(a.out, "Removed %s.\n", args[0])
			}
			return err
		}))
	return branch("key", "SSH keys", of(add), of(ls), of(rm))
}

// maxKeyFile is more than any public key has.
const maxKeyFile = 64 << 10

// publicKey reads a .pub file or, for -, stdin. A private key goes no further than this.
func (a *app) publicKey(file string) (string, error) {
	in := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read key: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxKeyFile))
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	if _, err := berth.ParseSSHKey(string(text)); err != nil {
		return "", err
	}
	return string(text), nil
}
