//go:build !unix || aix

package filestore

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/holdover-web/holdover/core"
)

// Store is a core.Store in a folder. There is none on this system: Open always fails.
type Store struct {
	core.Store
	core.Locker
	core.Lister
	core.Sweeper
}

// Open returns an error: this system lacks the file locks that the store is built on.
func Open(dir string, cfg Config) (*Store, error) {
	return nil, fmt.Errorf("filestore: %s lacks the file locks that this store needs; use another store: %w",
		runtime.GOOS, errors.ErrUnsupported)
}
