package stackfile

import (
	"fmt"

	"github.com/berth-dev/berth"
	"github.com/goccy/go-yaml"
)

// ParseValues reads a file that gives parameters values: one flat mapping of names to scalars.
func ParseValues(file string, data []byte) (map[string]string, error) {
	if len(data) > MaxBytes {
		return nil, berth.Errorf(berth.EInvalid, "%s is larger than %d KiB", file, MaxBytes>>10)
	}
	var read map[string]any
	if err := yaml.Unmarshal(data, &read); err != nil {
		return nil, berth.Errorf(berth.EInvalid, "%s must be a mapping of parameter names to values: %v", file, err)
	}
	values := map[string]string{}
	for name, value := range read {
		switch value.(type) {
		case map[string]any, []any:
			return nil, berth.Errorf(berth.EInvalid, "%s: %s must be a single value, not a list or a mapping", file, name)
		}
		values[name] = fmt.Sprint(value)
	}
	return values, nil
}
