//go:build unix && !aix

package filestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/filestore"
)

// A session outlives the store that it was made with.
func ExampleOpen() {
	parent, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "sessions")
	ctx, now, key := context.Background(), time.Now(), core.Key{Manager: "desk", ID: "an id"}

	store, err := filestore.Open(dir, filestore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	rec := core.Record{
		Values:  core.Values{{Name: "user", Data: "ada"}},
		Created: now, Accessed: now, Idle: 20 * time.Minute,
	}
	if err := store.Create(ctx, key, rec); err != nil {
		log.Fatal(err)
	}
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}

	store, err = filestore.Open(dir, filestore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	rec, err = store.Load(ctx, key, core.LoadOptions{Now: now, Touch: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rec.Values.Get("user"))

	// Output: ada true
}
