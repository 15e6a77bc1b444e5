package berth

import "slices"

// CodeVolume is the identifier of the volume that holds a development deployment's working tree.
const CodeVolume = "code"

// Volume is storage of a deployment that outlives its containers.
type Volume struct {
	Deployment ID     `json:"-"`
	Element    string `json:"element"` // empty for the code volume, which all elements share
	Identifier string `json:"identifier"`
	UID        int    `json:"-"` // owner at creation; -1: leave it to the image
	GID        int    `json:"-"`
	SizeBytes  int64  `json:"sizeBytes"`
	UsedBytes  int64  `json:"usedBytes"`
	Detached   bool   `json:"detached,omitempty"` // its element is gone from the stack; the data stays
}

// HasCode reports whether a deployment's volumes include a complete working tree: its row is written when
// the clone is.
func HasCode(volumes []Volume) bool {
	return slices.ContainsFunc(volumes, func(v Volume) bool { return v.Element == "" && v.Identifier == CodeVolume })
}
