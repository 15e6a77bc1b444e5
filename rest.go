package berth

import (
	"context"
	"time"
)

// RestService is about when a deployment sleeps: its instances have ended, its data and names stay, and the next
// request, shell or command wakes it.
type RestService interface {
	// SleepDeployment puts a deployment to sleep now. One that sleeps or is stopped stays as it is.
	SleepDeployment(ctx context.Context, ref string) (Deployment, error)
	// ChangeRest says when a deployment goes to sleep by itself; what c leaves out stays.
	ChangeRest(ctx context.Context, ref string, c ChangeRest) (Deployment, error)
}

// Never, as a time of idleness, keeps a deployment from going to sleep by itself.
const Never time.Duration = -1

// Rest is when a deployment goes to sleep by itself, as people said.
type Rest struct {
	// After is how long nobody may have used it; zero: as the server says for its kind of stage; Never.
	After time.Duration `json:"after,omitempty"`
	// Until is when it goes to sleep whoever asks its hosts, as soon as nobody works in it; zero: at no fixed time.
	Until time.Time `json:"until,omitzero"`
	// Awake is until when it stays awake whatever else is said.
	Awake time.Time `json:"awake,omitzero"`
	// Woken is when something last woke it, Why why it last went to sleep.
	Woken time.Time `json:"woken,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// ChangeRest is a change of Rest; what is nil stays.
type ChangeRest struct {
	After *time.Duration `json:"after,omitempty" doc:"How long nobody may have used it, in nanoseconds; 0: as the server says, -1: never"`
	For   *time.Duration `json:"for,omitempty" doc:"From now until it goes to sleep, in nanoseconds; 0: at no fixed time"`
	Awake *time.Duration `json:"awake,omitempty" doc:"From now, how long it stays awake whatever else is said, in nanoseconds; 0: no longer"`
}

const (
	minRest = time.Minute
	maxRest = 365 * 24 * time.Hour
)

// Validate says what is wrong with a change, in words.
func (c ChangeRest) Validate() error {
	for _, f := range []struct {
		field string
		value *time.Duration
		never bool
	}{{"after", c.After, true}, {"for", c.For, false}, {"awake", c.Awake, false}} {
		if f.value == nil || *f.value == 0 || f.never && *f.value == Never {
			continue
		}
		if *f.value < minRest || *f.value > maxRest {
			return &Error{Code: EInvalid, Field: f.field, Message: "say a time between a minute and a year, like 90m or 12h"}
		}
	}
	return nil
}

// Apply returns the rule after a change.
func (r Rest) Apply(c ChangeRest, now time.Time) Rest {
	if c.After != nil {
		r.After = *c.After
	}
	r.Until, r.Awake = moment(r.Until, c.For, now), moment(r.Awake, c.Awake, now)
	return r
}

func moment(before time.Time, from *time.Duration, now time.Time) time.Time {
	switch {
	case from == nil:
		return before
	case *from == 0:
		return time.Time{}
	}
	return now.Add(*from).UTC()
}

// Idleness is how long nobody has used a deployment, and what follows from it.
type Idleness struct {
	// Since is when it was last used, zero while it is; Last says by what.
	Since time.Time `json:"since,omitzero"`
	Last  string    `json:"last,omitempty"`
	// SleepsAt is when it goes to sleep unless somebody uses it; zero: it does not.
	SleepsAt time.Time `json:"sleepsAt,omitzero"`
}
