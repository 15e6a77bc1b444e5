//go:build !linux

package main

import "github.com/spf13/cobra"

// serverCommands: servers run on Linux.
func (a *app) serverCommands() []*cobra.Command { return nil }
