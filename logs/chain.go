package logs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// segment is one of a container's files. Its identity is the inode of the file that Docker wrote,
// which a rotation and a hard link leave alone, and of which a copy keeps note.
type segment struct {
	path  string
	inode uint64
}

// chain returns the files of a container, oldest first: base, and before it base.1, base.2 and so
// on. Files that are renamed while they are listed could be seen twice or not at all, so only what
// was seen alike two times counts; ok is false when that did not happen.
func chain(base string) (list []segment, ok bool, err error) {
	const attempts = 5
	before, err := listChain(base)
	if err != nil {
		return nil, false, err
	}
	for range attempts {
		now, err := listChain(base)
		if err != nil {
			return nil, false, err
		}
		if slices.Equal(before, now) {
			return now, true, nil
		}
		before = now
	}
	return nil, false, nil
}

func listChain(base string) ([]segment, error) {
	dir, name := filepath.Split(base)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byAge := map[int]segment{}
	var ages []int
	for _, entry := range entries {
		age, ok := ageOf(entry.Name(), name)
		if !ok {
			continue
		}
		info, err := os.Lstat(dir + entry.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			byAge[age] = segment{path: dir + entry.Name(), inode: inode(info)}
			ages = append(ages, age)
		}
	}
	slices.Sort(ages)
	slices.Reverse(ages)
	list := make([]segment, len(ages))
	for i, age := range ages {
		list[i] = byAge[age]
	}
	return list, nil
}

// ageOf returns 0 for the base's name itself and n for name.n.
func ageOf(file, name string) (int, bool) {
	rest, ok := strings.CutPrefix(file, name)
	if !ok || rest == "" {
		return 0, ok
	}
	number, ok := strings.CutPrefix(rest, ".")
	age, err := strconv.Atoi(number)
	return age, ok && err == nil && age > 0 && strconv.Itoa(age) == number
}

func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}
