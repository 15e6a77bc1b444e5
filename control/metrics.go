package control

import (
	"context"
	"strings"
)

// Metrics is what there is to measure, in Prometheus' text format.
func (s *Service) Metrics(ctx context.Context) (string, error) {
	if err := s.mayServer(ctx, MetricsRead); err != nil {
		return "", err
	}
	var out strings.Builder
	err := s.control.Metrics(&out)
	return out.String(), err
}
