package main

import (
	"context"
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/spf13/cobra"
)

func (a *app) metricsCommand() *cobra.Command {
	return leaf("metrics", "Print what there is to measure, in Prometheus' text format", cobra.NoArgs,
		a.does(func(ctx context.Context, s berth.Service, _ []string) error {
			text, err := s.Metrics(ctx)
			fmt.Fprint(a.out, text)
			return err
		}))
}
