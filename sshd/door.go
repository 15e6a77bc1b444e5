package sshd

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

// Penalties bound what strangers cost. Zero values have their defaults.
type Penalties struct {
	PerFailure time.Duration // for a connection that ended without a login
	Allowed    time.Duration // of debt, beyond which an address is not answered
	Most       time.Duration // of debt
	Waiting    int           // connections that have not logged in, of all
	PerAddress int           // and of one address
}

// addressesRemembered bounds what is remembered of strangers.
const addressesRemembered = 10_000

func (p Penalties) withDefaults() Penalties {
	for _, v := range []struct {
		value   *time.Duration
		usually time.Duration
	}{{&p.PerFailure, 2 * time.Second}, {&p.Allowed, time.Minute}, {&p.Most, 10 * time.Minute}} {
		if *v.value == 0 {
			*v.value = v.usually
		}
	}
	if p.Waiting == 0 {
		p.Waiting = 100
	}
	if p.PerAddress == 0 {
		p.PerAddress = 10
	}
	return p
}

// door lets connections in until they have logged in. Each failure puts an address in debt, which time pays.
type door struct {
	Penalties
	now func() time.Time

	mu      sync.Mutex
	waiting int
	from    map[netip.Prefix]*stranger
}

type stranger struct {
	waiting int
	until   time.Time // when its debt is paid
}

func newDoor(p Penalties, now func() time.Time) *door {
	return &door{Penalties: p.withDefaults(), now: now, from: map[netip.Prefix]*stranger{}}
}

// enter reports whether a connection is answered; leave says that it is no longer waiting, and whether it is in.
func (d *door) enter(remote net.Addr) (leave func(in bool), ok bool) {
	from := berth.NetworkOf(host(remote))
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	s := d.from[from]
	if s == nil {
		if len(d.from) >= addressesRemembered {
			d.forget(now)
		}
		s = &stranger{}
	}
	if d.waiting >= d.Waiting || s.waiting >= d.PerAddress || s.until.Sub(now) > d.Allowed || len(d.from) >= addressesRemembered {
		return nil, false
	}
	d.from[from] = s
	d.waiting++
	s.waiting++
	return func(in bool) { d.leave(from, s, in) }, true
}

func (d *door) leave(from netip.Prefix, s *stranger, in bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting--
	s.waiting--
	now := d.now()
	if !in {
		if s.until.Before(now) {
			s.until = now
		}
		if s.until = s.until.Add(d.PerFailure); s.until.Sub(now) > d.Most {
			s.until = now.Add(d.Most)
		}
	}
	if s.waiting == 0 && !s.until.After(now) {
		delete(d.from, from)
	}
}

// forget drops whose debt is paid.
func (d *door) forget(now time.Time) {
	for from, s := range d.from {
		if s.waiting == 0 && !s.until.After(now) {
			delete(d.from, from)
		}
	}
}
