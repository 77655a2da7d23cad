package redisstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// A session that is stored by one host can be used by all.
func ExampleOpen() {
	ctx := context.Background()
	store, err := redisstore.Open(ctx, redisstore.Config{
		Addrs:    []string{"redis.example.com:6379"},
		Password: "the password of requirepass",
		Prefix:   "shop:",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	manager, err := core.New("desk", store, core.Config{IdleTimeout: 20 * time.Minute, Locking: core.Serialized})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close(ctx)
	session, err := manager.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := session.Set("user", "ada"); err != nil {
		log.Fatal(err)
	}
	if err := session.Commit(ctx); err != nil {
		log.Fatal(err)
	}
}

// Addresses and settings fit in a URL, for config files. core.OpenStore takes such a URL too.
func ExampleParseURL() {
	for _, url := range []string{
		"redis://redis.example.com/2?prefix=shop:&timeout=500ms",
		"rediss+sentinel://app:s3%2Fcret@sentinel1,sentinel2:5000/main",
		"redis+cluster://:s3%2Fcret@node1,node2,node3/1?shards=many",
	} {
		cfg, err := redisstore.ParseURL(url)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(cfg.Mode, cfg.Addrs, cfg.MasterName, cfg.Username, cfg.DB, cfg.Prefix, cfg.TLS != nil)
	}

	// Output:
	// plain [redis.example.com:6379]   2 shop: false
	// sentinel [sentinel1:26379 sentinel2:5000] main app 0  true
	// redisstore: redis+cluster://node1,node2,node3/1: shards: "many" is no number of at least 1
	// redisstore: redis+cluster://node1,node2,node3/1: redisstore: Config.DB: 1; a Cluster has only database 0
}
