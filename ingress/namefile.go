package ingress

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/berth-dev/berth"
	"github.com/berth-dev/berth/agentwire"
)

// nameFiles writes the name tables that the name servers read. One pass uses it at a time.
type nameFiles struct {
	dir     string
	written map[berth.ID]agentwire.Names
}

// put replaces a deployment's name file if it would say something else.
func (f *nameFiles) put(id berth.ID, names agentwire.Names) error {
	if f.written == nil {
		f.written = map[berth.ID]agentwire.Names{}
	}
	dir := filepath.Join(f.dir, string(id), "net")
	path := filepath.Join(dir, agentwire.NamesFile)
	before, known := f.written[id]
	if !known {
		before, known = readNames(path)
	}
	names.Generation = before.Generation
	if known && reflect.DeepEqual(before, names) && exists(path) {
		f.written[id] = names
		return nil
	}
	names.Generation++
	data, err := json.Marshal(names)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	// Readable by core's user; what is above in the tree lets nobody else in.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := replaceFile(path, data); err != nil {
		return err
	}
	f.written[id] = names
	return nil
}

// readNames returns what an earlier run of the server wrote, if it is whole.
func readNames(path string) (names agentwire.Names, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &names) != nil {
		return agentwire.Names{}, false
	}
	return names, true
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (f *nameFiles) forgetAllBut(present map[berth.ID]bool) {
	for id := range f.written {
		if !present[id] {
			delete(f.written, id)
		}
	}
}

// replaceFile puts data in path's place in one step: a reader sees the old or the new, never a
// part. It need not survive a power cut: the next start writes it again.
func replaceFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".names-*")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // after the rename there is nothing to remove
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("put file in place: %w", err)
	}
	return nil
}
