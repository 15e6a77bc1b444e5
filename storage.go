package berth

import (
	"context"
	"time"
)

// StorageKind is how volumes are kept.
type StorageKind string

const (
	// StorageDirectories are plain directories of the data directory.
	StorageDirectories StorageKind = "directories"
	// StorageBtrfs and StorageXFS are a file of the data directory with a file system of its own, which
	// can copy without copying; btrfs also enforces limits.
	StorageBtrfs StorageKind = "btrfs"
	StorageXFS   StorageKind = "xfs"
)

// storageKinds is the one list of them.
var storageKinds = []StorageKind{StorageDirectories, StorageBtrfs, StorageXFS}

// ParseStorageKind refuses what is none.
func ParseStorageKind(s string) (StorageKind, error) {
	for _, k := range storageKinds {
		if string(k) == s {
			return k, nil
		}
	}
	return "", Errorf(EInvalid, "there is no volume store %q: choose directories, btrfs or xfs", s)
}

// Storage is what a server keeps volumes in.
type Storage struct {
	Kind       StorageKind `json:"kind"`
	Path       string      `json:"path"`
	Pool       string      `json:"pool,omitempty"` // the file that holds them; empty: directories
	TotalBytes int64       `json:"totalBytes"`
	FreeBytes  int64       `json:"freeBytes"` // what is left where the volumes are, and for the file below them
	HardLimits bool        `json:"hardLimits"`
	// Why it is of this kind, in a sentence.
	Why string `json:"why"`
	// WritePrice is how many times as long small synced writes take as beside it on the machine's own file
	// system, and CloneSeconds how long a copy of CloneBytes takes. Zero: nobody measured.
	WritePrice   float64   `json:"writePrice,omitempty"`
	CloneSeconds float64   `json:"cloneSeconds,omitempty"`
	CloneBytes   int64     `json:"cloneBytes,omitempty"`
	MeasuredAt   time.Time `json:"measuredAt,omitzero"`
	// Left are deployments that have still to move here from another kind of store.
	Left []string `json:"left,omitempty"`
	// Problem is why moving does not go on; empty while it does.
	Problem string `json:"problem,omitempty"`
}

// StorageService is about where volumes are kept, and which of them.
type StorageService interface {
	Storage(ctx context.Context) (Storage, error)
	// MigrateStorage keeps new volumes in a store of another kind from now on; the deployments that there
	// are move there one by one.
	MigrateStorage(ctx context.Context, to StorageKind) (Storage, error)
	// DeleteVolume deletes a volume that no element uses any more. volume is ELEMENT/IDENTIFIER.
	DeleteVolume(ctx context.Context, ref, volume string) error
}
