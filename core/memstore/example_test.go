package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// A limited store ends the session that was accessed longest ago, and says so.
func ExampleConfig() {
	ctx, now := context.Background(), time.Now().UTC()
	store := memstore.New(memstore.Config{MaxSessions: 2})
	defer store.Close()
	store.OnEvict("shop", func(id string, _ core.Record) { fmt.Println("evicted", id) })
	for _, id := range []string{"first", "second", "third"} {
		key := core.Key{Manager: "shop", ID: id}
		if err := store.Create(ctx, key, core.Record{Created: now, Accessed: now}); err != nil {
			fmt.Println(err)
		}
	}
	// Output: evicted first
}

// Importing the package makes its URLs known to core.OpenStore.
func Example_url() {
	store, err := core.OpenStore(context.Background(), "memory:?max_sessions=10000&max_bytes=64000000")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	_, canLock := store.(core.Locker)
	fmt.Println("can lock:", canLock)
	// Output: can lock: true
}
