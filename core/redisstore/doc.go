// Package redisstore keeps sessions in Redis 6.2 or later, or Valkey: one server, a master that Redis
// Sentinels watch, or a Cluster. It is for teams that outgrow one machine.
//
//	store, err := redisstore.Open(ctx, redisstore.Config{Addrs: []string{"127.0.0.1:6379"}})
//
// or, with this package imported, core.OpenStore(ctx, "redis://127.0.0.1:6379/0").
//
// Each call is one trip to Redis: a request that reads its session makes one, one that writes makes
// two, whatever the policy. Everything that one session needs, its data, version, lock, expiry and place
// in the index, changes in one step of one server, whose clock decides. Calls share a few connections, on which many are under way at
// once. A call whose connection breaks is made again, within Config.Timeout; a save that Redis had
// carried out already is recognised.
//
// What Redis itself forgets, because it was killed before it wrote to disk or because a replica took over that had not
// heard of it, is lost here too: docs/operations.md says what to set and what it costs.
// docs/redis-protocol.md describes what is stored, for programs in other languages.
package redisstore
