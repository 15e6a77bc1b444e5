// Package mail keeps what the containers of deployments sent as mail: one directory per deployment, one
// file per message, the oldest dropped when there are too many. What is in a message was written by an
// application and is treated as hostile.
//
// It must not know how a message came here, nor who reads it.
package mail

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-dev/berth"
)

const (
	// Most is how many messages an inbox keeps, MostBytes how much they may take.
	Most      = 200
	MostBytes = 100 << 20
	// MaxMessage is the longest message that is taken.
	MaxMessage = 10 << 20
	// atOnce is how many messages a deployment may be sending at a time: each is on disk before it is whole.
	atOnce = 4

	extension = ".mail"
)

// Inboxes is the directory of all inboxes. It is safe for concurrent use.
type Inboxes struct {
	dir string
	now func() time.Time

	mu        sync.Mutex
	receiving map[berth.ID]int
}

// New returns the inboxes below dir.
func New(dir string, now func() time.Time) *Inboxes {
	return &Inboxes{dir: dir, now: now, receiving: map[berth.ID]int{}}
}

// envelope is the first line of a message's file.
type envelope struct {
	Time time.Time `json:"time"`
	From string    `json:"from"`
	To   []string  `json:"to"`
}

// Receive stores a message. An error of code EUnavailable asks the sender to try again.
func (b *Inboxes) Receive(deployment berth.ID, from string, to []string, message io.Reader) error {
	leave, err := b.enter(deployment)
	if err != nil {
		return err
	}
	defer leave()
	root, err := b.open(deployment, true)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	now := b.now()
	name := fmt.Sprintf("%020d-%s", now.UnixNano(), berth.NewID())
	err = write(root, name+".new", envelope{now, from, to}, message)
	if err == nil {
		err = root.Rename(name+".new", name+extension)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store mail: %w", err), ignoreMissing(root.Remove(name+".new")))
	}
	return b.prune(root)
}

// enter bounds how many messages of a deployment are on their way.
func (b *Inboxes) enter(deployment berth.ID) (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receiving[deployment] >= atOnce {
		return nil, berth.Errorf(berth.EUnavailable, "this inbox is taking %d messages already; try again", atOnce)
	}
	b.receiving[deployment]++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.receiving[deployment]--; b.receiving[deployment] == 0 {
			delete(b.receiving, deployment)
		}
	}, nil
}

func write(root *os.Root, name string, e envelope, message io.Reader) (err error) {
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := json.NewEncoder(file).Encode(e); err != nil {
		return err
	}
	n, err := io.Copy(file, io.LimitReader(message, MaxMessage+1))
	if err == nil && n > MaxMessage {
		err = berth.Errorf(berth.EInvalid, "a message may have at most %d MB", MaxMessage>>20)
	}
	return err
}

// prune drops the oldest messages, and what was cut short long ago.
func (b *Inboxes) prune(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("list mail: %w", err)
	}
	kept, size := 0, int64(0)
	for _, e := range slices.Backward(entries) { // the newest first
		info, err := e.Info()
		if err != nil {
			continue // another message's prune was here
		}
		whole := strings.HasSuffix(e.Name(), extension)
		if whole {
			kept, size = kept+1, size+info.Size()
		}
		stale := !whole && b.now().Sub(info.ModTime()) > time.Hour
		if stale || whole && (kept > Most || size > MostBytes) {
			if err := ignoreMissing(root.Remove(e.Name())); err != nil {
				return fmt.Errorf("drop mail: %w", err)
			}
		}
	}
	return nil
}

// maxHead is how much of a message is read to list it.
const maxHead = 64 << 10

// List returns an inbox, newest first.
func (b *Inboxes) List(ctx context.Context, deployment berth.ID) ([]berth.Mail, error) {
	root, err := b.open(deployment, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list mail: %w", err)
	}
	var list []berth.Mail
	for _, e := range slices.Backward(entries) {
		if !strings.HasSuffix(e.Name(), extension) {
			continue
		}
		err := reading(ctx, root, e.Name(), func(m berth.Mail, message io.Reader) {
			m.Subject = subject(io.LimitReader(message, maxHead))
			list = append(list, m)
		})
		if err := ignoreMissing(err); err != nil {
			return nil, err
		}
	}
	return list, nil
}

var idPattern = regexp.MustCompile(`^[a-z2-7]{10}$`)

// Read returns one message of an inbox.
func (b *Inboxes) Read(ctx context.Context, deployment, id berth.ID) (m berth.MailText, err error) {
	missing := berth.Errorf(berth.ENotFound, "there is no mail %s: berth mail ls lists those there are", id)
	if !idPattern.MatchString(string(id)) {
		return m, missing
	}
	root, err := b.open(deployment, false)
	if errors.Is(err, fs.ErrNotExist) {
		return m, missing
	}
	if err != nil {
		return m, err
	}
	defer func() { _ = root.Close() }()
	names, err := fs.Glob(root.FS(), "*-"+string(id)+extension)
	if err != nil || len(names) == 0 {
		return m, errors.Join(missing, err)
	}
	err = reading(ctx, root, names[0], func(head berth.Mail, message io.Reader) {
		m = read(message)
		head.Subject = m.Subject
		m.Mail = head
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = missing
	}
	return m, err
}

// reading opens a stored message, and hands fn what its file says and its content.
func reading(ctx context.Context, root *os.Root, name string, fn func(m berth.Mail, message io.Reader)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("open mail: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("look at mail: %w", err)
	}
	r := bufio.NewReader(file)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read mail: %w", err)
	}
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("read envelope: %w", err)
	}
	id := strings.TrimSuffix(name[strings.LastIndexByte(name, '-')+1:], extension)
	fn(berth.Mail{ID: berth.ID(id), Time: e.Time, From: e.From, To: e.To, Bytes: info.Size() - int64(len(line))}, r)
	return nil
}

func (b *Inboxes) open(deployment berth.ID, create bool) (*os.Root, error) {
	if !idPattern.MatchString(string(deployment)) {
		return nil, berth.Errorf(berth.EInvalid, "%q names no deployment", deployment)
	}
	dir := filepath.Join(b.dir, string(deployment))
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make inbox: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	return root, nil
}

// Forget deletes a deployment's inbox.
func (b *Inboxes) Forget(deployment berth.ID) error {
	if !idPattern.MatchString(string(deployment)) {
		return berth.Errorf(berth.EInvalid, "%q names no deployment", deployment)
	}
	if err := os.RemoveAll(filepath.Join(b.dir, string(deployment))); err != nil {
		return fmt.Errorf("delete inbox: %w", err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
