package git

import (
	"bytes"
	"fmt"
)

// pointerMark begins a file that stands for one in Git LFS.
const pointerMark = "version https://git-lfs.github.com/spec/v1\n"

// pointers are the files of a tree that stand for others.
type pointers struct {
	first string
	count int
}

func (p *pointers) look(name string, head []byte) {
	if !bytes.Equal(head, []byte(pointerMark)) {
		return
	}
	if p.count++; p.count == 1 {
		p.first = name
	}
}

// note says what to do about them, "" where there are none.
func (p pointers) note() string {
	others := ""
	switch p.count {
	case 0:
		return ""
	case 1:
	default:
		others = fmt.Sprintf(" (and %d more)", p.count-1)
	}
	return p.first + others + " is a pointer of Git LFS, not the file itself: Berth does not fetch from LFS. Commit the file (git lfs migrate export), or download it in the Dockerfile"
}
