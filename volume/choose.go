package volume

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth"
)

// measured is how a kind of store did on this machine.
type measured struct {
	Kind   berth.StorageKind
	Writes float64 // small synced writes a second
	Clone  float64 // seconds to copy cloneBytes
}

const (
	// dearest is how many times as long a write may take in a pool as beside it: beyond, copies that cost
	// nothing are not worth it.
	dearest = 4.0
	// closeBy is how much slower a store may be that enforces limits, and still be preferred.
	closeBy = 1.25
)

// choice is a kind of store, and why.
type choice struct {
	measured
	Why   string
	Price float64
}

// choose takes the pool that writes fastest, or one that enforces limits where it is not much slower;
// directories where no pool can be had or writing to it is too dear.
func choose(host measured, pools []measured, obstacle error) choice {
	best := choice{measured: host, Price: 1, Why: "no other kind can be had here"}
	if obstacle != nil {
		best.Why += ": " + strings.ReplaceAll(obstacle.Error(), "\n", "; ")
	}
	for _, p := range pools {
		price := host.Writes / p.Writes
		switch {
		case price > dearest && best.Kind == berth.StorageDirectories:
			best.Why = fmt.Sprintf("small synced writes take %.1f times as long in a %s file, which is too dear", price, p.Kind)
		case price <= dearest && better(p, best, host):
			best = choice{measured: p, Price: price,
				Why: fmt.Sprintf("it copies %d MiB in %.0f ms, and small synced writes take %.1f times as long as in directories", cloneBytes>>20, p.Clone*1000, price)}
		}
	}
	return best
}

func better(p measured, than choice, host measured) bool {
	if than.Kind == host.Kind {
		return true
	}
	fair := func(k berth.StorageKind, writes float64) float64 {
		if hardLimits(k) {
			return writes * closeBy
		}
		return writes
	}
	return fair(p.Kind, p.Writes) > fair(than.Kind, than.Writes)
}
