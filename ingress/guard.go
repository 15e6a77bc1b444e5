package ingress

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"sync"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/proxy"
)

// guard has a route let in whom the protection lets in. What cannot be read lets nobody in.
func (c tableContext) guard(route *proxy.Route, p berth.Protection) {
	for _, text := range p.Allow {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			network = netip.Prefix{} // contains no address
		}
		route.Allow = append(route.Allow, network)
	}
	if p.Hash != "" {
		route.Password = c.password(p.Hash)
	}
}

// doors keep from pass to pass which password of a hash was right: checking one is slow on purpose, and a page is
// many requests.
type doors struct {
	mu   sync.Mutex
	used map[string]*door // by hash; of this pass
	kept map[string]*door // of the last one
}

// password returns the check of a hash.
func (d *doors) password(hash string) func(name, password string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.used[hash]
	if known == nil {
		known = d.kept[hash]
	}
	if known == nil {
		known = newDoor(hash)
	}
	if d.used == nil {
		d.used = map[string]*door{}
	}
	d.used[hash] = known
	return func(_, password string) bool { return known.opens(password) }
}

// turn forgets what the pass that ends did not use.
func (d *doors) turn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used, d.kept = nil, d.used
}

// door checks a password, one guess at a time: whoever tries many takes a part of one processor.
type door struct {
	hash  string
	key   [sha256.Size]byte
	queue chan struct{} // of guesses that wait or are checked

	checking sync.Mutex

	mu    sync.Mutex
	right []byte // what the right password's sum is, once somebody gave it
}

// guesses is how many may wait; further ones are taken for wrong at once.
const guesses = 32

func newDoor(hash string) *door {
	d := &door{hash: hash, queue: make(chan struct{}, guesses)}
	_, _ = rand.Read(d.key[:]) // never fails (crypto/rand)
	return d
}

func (d *door) opens(password string) bool {
	sum := d.sum(password)
	if d.known(sum) {
		return true
	}
	select {
	case d.queue <- struct{}{}:
		defer func() { <-d.queue }()
	default:
		return false
	}
	d.checking.Lock()
	defer d.checking.Unlock()
	if d.known(sum) {
		return true
	}
	if !berth.PasswordFits(d.hash, password) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.right = sum
	return true
}

func (d *door) known(sum []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.right != nil && hmac.Equal(d.right, sum)
}

// sum is of this process only, so that no memory holds the password.
func (d *door) sum(password string) []byte {
	mac := hmac.New(sha256.New, d.key[:])
	mac.Write([]byte(password))
	return mac.Sum(nil)
}
