package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berth-dev/berth/agentwire"
)

const (
	nameFileCheck = 10 * time.Millisecond // how old an answer about the file may be
	nameFileLimit = 4 << 20
)

// nameTable is agentwire.Names arranged for questions. It does not change once it is made.
type nameTable struct {
	core     []netip.Addr            // none: core's address is not known
	public   map[string]bool         // hosts that lead to core
	services map[string]*nameService // by "<name>.<element>"
	first    map[string]*nameService // by element
	elements map[string]bool
	askers   map[netip.Addr]agentwire.Asker
	ports    map[int]int // further ports to listen at → as which they are passed on
}

type nameService struct {
	serving, next []netip.Addr
}

// addresses returns what an asker may be told.
func (s *nameService) addresses(asker agentwire.Asker) []netip.Addr {
	if asker.Next && len(s.next) > 0 {
		return s.next
	}
	return s.serving
}

// parseNames refuses a table with an address that is none: half a table would answer wrongly.
func parseNames(data []byte) (*nameTable, error) {
	var names agentwire.Names
	if err := json.Unmarshal(data, &names); err != nil {
		return nil, err
	}
	return newNameTable(names)
}

func newNameTable(names agentwire.Names) (*nameTable, error) {
	t := &nameTable{
		public:   map[string]bool{},
		services: map[string]*nameService{},
		first:    map[string]*nameService{},
		elements: map[string]bool{},
		askers:   map[netip.Addr]agentwire.Asker{},
		ports:    names.Ports,
	}
	if names.Core != "" {
		core, err := parseAddress(names.Core)
		if err != nil {
			return nil, fmt.Errorf("core: %w", err)
		}
		t.core = []netip.Addr{core}
	}
	for _, host := range names.PublicHosts {
		t.public[canonical(host)] = true
	}
	for _, s := range names.Services {
		if err := t.addService(s); err != nil {
			return nil, fmt.Errorf("service %s.%s: %w", s.Name, s.Element, err)
		}
	}
	for _, a := range names.Askers {
		address, err := parseAddress(a.Address)
		if err != nil {
			return nil, fmt.Errorf("asker of %s: %w", a.Element, err)
		}
		a.Element = canonical(a.Element)
		t.askers[address] = a
		t.elements[a.Element] = true
	}
	return t, nil
}

func (t *nameTable) addService(s agentwire.Service) error {
	serving, err := parseAddresses(s.Addresses)
	if err != nil {
		return err
	}
	next, err := parseAddresses(s.Next)
	if err != nil {
		return err
	}
	service := &nameService{serving: serving, next: next}
	element := canonical(s.Element)
	t.elements[element] = true
	t.services[canonical(s.Name)+"."+element] = service
	if t.first[element] == nil || s.First {
		t.first[element] = service
	}
	return nil
}

func parseAddresses(list []string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, s := range list {
		address, err := parseAddress(s)
		if err != nil {
			return nil, err
		}
		out = append(out, address)
	}
	return out, nil
}

func parseAddress(s string) (netip.Addr, error) {
	address, err := netip.ParseAddr(s)
	return address.Unmap(), err
}

// canonical is how names are compared: lower case, no dot at the end.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// nameFile keeps the table that the file has, and the last good one while the file has none.
type nameFile struct {
	path  string
	table atomic.Pointer[nameTable]
	// follow is told each new table before it answers.
	follow func(*nameTable)

	reading sync.Mutex
	next    atomic.Int64 // when to look at the file again, in nanoseconds since started
	started time.Time
	seen    fs.FileInfo // of the last file that was read, good or not
}

func openNameFile(path string, follow func(*nameTable)) *nameFile {
	f := &nameFile{path: path, follow: follow, started: time.Now()}
	f.refresh()
	return f
}

// current returns the newest table, nil before the first good one. Questions that come while the file is
// looked at wait for it: nobody may have asked for minutes, and the last table be as old.
func (f *nameFile) current() *nameTable {
	if f.isOld() {
		f.reading.Lock()
		if f.isOld() {
			f.refresh()
		}
		f.reading.Unlock()
	}
	return f.table.Load()
}

func (f *nameFile) isOld() bool { return int64(time.Since(f.started)) >= f.next.Load() }

// refresh reads the file if it is another than the last one. It asks the path, not a watch:
// a watch misses what happens to a directory that is mounted anew, and costs more than one stat.
func (f *nameFile) refresh() {
	defer func() { f.next.Store(int64(time.Since(f.started) + nameFileCheck)) }()
	info, err := os.Stat(f.path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Printf("look at name table: %v", err)
		}
		return
	}
	if f.seen != nil && sameFile(f.seen, info) {
		return
	}
	table, info, err := readNames(f.path)
	if info != nil {
		f.seen = info
	}
	if err != nil {
		log.Printf("keep the last name table: %v", err)
		return
	}
	f.follow(table)
	f.table.Store(table)
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// readNames returns what the file said about itself when it was opened, so that a replacement
// in the meantime is seen the next time.
func readNames(path string) (*nameTable, fs.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open name table: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("stat name table: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(file, nameFileLimit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read name table: %w", err)
	}
	if len(data) > nameFileLimit {
		return nil, info, fmt.Errorf("read name table: it is larger than %d bytes", nameFileLimit)
	}
	table, err := parseNames(data)
	if err != nil {
		return nil, info, fmt.Errorf("parse name table: %w", err)
	}
	return table, info, nil
}
