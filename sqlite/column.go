package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// stamp stores a time as Unix nanoseconds, the zero time as 0.
type stamp time.Time

func (s stamp) Value() (driver.Value, error) {
	if t := time.Time(s); !t.IsZero() {
		return t.UnixNano(), nil
	}
	return int64(0), nil
}

// stampInto scans what stamp stored.
type stampInto struct{ t *time.Time }

func (s stampInto) Scan(value any) error {
	n, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", value)
	}
	*s.t = time.Time{}
	if n != 0 {
		*s.t = time.Unix(0, n).UTC()
	}
	return nil
}

// jsonOf stores a nested value as JSON text; a nil slice, map or pointer is stored as "null".
type jsonOf struct{ v any }

func (j jsonOf) Value() (driver.Value, error) {
	text, err := json.Marshal(j.v)
	return string(text), err
}

// jsonInto scans what jsonOf stored; NULL leaves the value alone.
type jsonInto struct{ v any }

func (j jsonInto) Scan(value any) error {
	switch text := value.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(text), j.v)
	case []byte:
		return json.Unmarshal(text, j.v)
	}
	return fmt.Errorf("JSON is stored as %T", value)
}
