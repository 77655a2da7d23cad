// Package filestore keeps sessions in files, one file a session: they survive restarts, and several
// processes on one host may share them. It needs no server and no other program.
//
// # On the disk
//
//	DIR/holdover.json                 says that the folder is a session store, and of which format
//	DIR/managers/MANAGER/S/SESSION    a session; S is the first character of SESSION
//	DIR/managers/MANAGER/S/lock       an empty file on whose bytes the locks of the folder's sessions lie
//	                                  (on Linux; elsewhere files lock-*, there while they are locked)
//	DIR/corrupt/                      session files that could not be read, kept for a person to look at
//
// MANAGER and SESSION are hashes: no id a client sends is ever part of a path, and nobody who sees a
// file's name can use it as an id. The files themselves do hold the ids. SESSION begins with
// core.Key.Hash, so that the file of a session in a log line is found by its name. Files are readable
// and writable by their owner alone.
//
// # What it promises
//
// A session's file is replaced as a whole, by writing another and renaming it, so that nobody ever
// sees half of one. Whoever kills the process, at whatever moment, finds each session as it was
// before or as it was after the operation under way: Config.Durability is about losing power, not
// about losing the process. The last access is the file's modification time; touching a session
// rewrites nothing. It is not synced: losing power may set it back by what the system had not yet
// written, half a minute or so. Tools that copy the folder must keep modification times to the
// nanosecond (cp -a, rsync -a, tar --format=posix).
//
// Locks are the kernel's own and end with the process that holds them, so there is nothing to clean
// up after a crash. A lock that another process holds never lapses while that process lives: leases
// are for takers within one process. The folder must be on a local file system; network file systems
// differ too much in their locks and renames.
//
// Expired sessions stay until Store.Sweep or Store.Delete removes them.
package filestore

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/holdover-web/holdover/core"
)

// Durability says what a store waits for before it reports that something is stored. It decides what
// may be lost when the machine loses power or its kernel crashes. Killing the process loses nothing
// under any of them.
type Durability uint8

const (
	// Full waits until the file and its folder are on the disk: nothing that was reported as done is
	// lost. It is the default. It costs two disk flushes for each save, create and delete.
	Full Durability = iota

	// FileOnly waits for the file, but not for the folder that names it: one disk flush for a save or a
	// create, none for a delete. Losing power may undo what was done in the last seconds, so that a
	// session is as it was before, or is back, or is gone; it is never damaged.
	FileOnly

	// None waits for nothing. Losing power may undo what was done in the last half minute or so, and
	// may damage files written in that time. Damage is noticed when the session is loaded
	// (core.CorruptError). Right where the folder is in memory (tmpfs), and for tests.
	None
)

var durabilityNames = [...]string{Full: "full", FileOnly: "file", None: "none"}

// String returns "full", "file" or "none".
func (d Durability) String() string {
	if int(d) < len(durabilityNames) {
		return durabilityNames[d]
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// ParseDurability returns the Durability with that name, as String gives it.
func ParseDurability(name string) (Durability, error) {
	for d, n := range durabilityNames {
		if n == name {
			return Durability(d), nil
		}
	}
	return 0, fmt.Errorf("filestore: no durability %q: use full, file or none", name)
}

// Config sets a Store up. The zero value is usable.
type Config struct {
	// Durability is what may be lost when the power fails. The default is Full. Processes that share a
	// folder may differ in it.
	Durability Durability
}

func init() {
	core.RegisterStore("file", func(_ context.Context, url string) (core.Store, error) {
		dir, cfg, err := parseURL(url)
		if err != nil {
			return nil, err
		}
		s, err := Open(dir, cfg)
		if err != nil {
			return nil, err // not a core.Store that holds a nil *Store
		}
		return s, nil
	})
}

// parseURL reads "file:DIR" or "file:DIR?durability=full|file|none". In DIR, % and ? are written as
// %25 and %3F.
func parseURL(raw string) (dir string, cfg Config, err error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(raw, "file:"), "?")
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		if !strings.HasPrefix(rest, "/") {
			return "", cfg, fmt.Errorf("filestore: %q names a host; write file:DIR or file:///DIR", raw)
		}
		path = rest
	}
	if dir, err = url.PathUnescape(path); err != nil {
		return "", cfg, fmt.Errorf("filestore: %q: %w", raw, err)
	}
	if dir == "" {
		return "", cfg, fmt.Errorf("filestore: %q names no folder; write file:DIR", raw)
	}
	settings, err := url.ParseQuery(query)
	if err != nil {
		return "", cfg, fmt.Errorf("filestore: %q: %w", raw, err)
	}
	for name, values := range settings {
		if name != "durability" {
			return "", cfg, fmt.Errorf("filestore: %q: no setting %s; there is durability", raw, name)
		}
		// The last one counts, as everywhere in a query.
		if cfg.Durability, err = ParseDurability(values[len(values)-1]); err != nil {
			return "", cfg, err
		}
	}
	return dir, cfg, nil
}
