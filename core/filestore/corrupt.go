//go:build unix && !aix

package filestore

import (
	"fmt"
	"path"

	"github.com/holdover-web/holdover/core"
)

// setAside moves the session's file, or its forwarding record, out of the way after it was found to be
// bad. It returns a *core.CorruptError.
func (c *section) setAside(bad badFile) error {
	name := c.name
	if there, err := c.sh.dir.exists(name); err != nil {
		return err
	} else if !there {
		name += forwardSuffix
	}
	place, err := c.moveAside(name)
	if err != nil {
		return err
	}
	return &core.CorruptError{Key: c.key, Place: place, Reason: string(bad)}
}

// moveAside moves a file of the section into the folder of corrupt files, under a name that is not
// taken, and returns its place in the store.
func (c *section) moveAside(name string) (place string, err error) {
	root := c.s.root
	managerName := managerName(c.key.Manager)
	folder := path.Join(corruptFolder, managerName)
	if err := root.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("filestore: setting a damaged file aside: %w", err)
	}
	to, err := openFolder(root, folder)
	if err != nil {
		return "", fmt.Errorf("filestore: setting a damaged file aside: %w", err)
	}
	defer to.close()
	for n := 1; ; n++ {
		kept := fmt.Sprintf("%s-%d", name, n)
		taken, err := to.exists(kept) // nobody else takes it: others have no files of this section
		if err != nil {
			return "", err
		}
		if taken {
			continue
		}
		if err := renameFile(c.sh.dir, name, to, kept); err != nil {
			return "", err
		}
		if err := to.sync(c.s.cfg.Durability); err != nil {
			return "", err
		}
		return path.Join(folder, kept), c.sh.dir.sync(c.s.cfg.Durability)
	}
}
