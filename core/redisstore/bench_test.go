package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// kilobyte is a session of ten names and one kilobyte.
func kilobyte() core.Record {
	rec := core.Record{Created: time.Now(), Accessed: time.Now(), Idle: time.Hour}
	for i := range 10 {
		rec.Values = append(rec.Values, core.Item{Name: fmt.Sprintf("name%d", i), Data: strings.Repeat("v", 97)})
	}
	return rec
}

// inFlight is how many calls are under way at once in a benchmark.
const inFlight = 32

// cpu reports what Redis used for each operation.
func cpu(b *testing.B, srv *redistest.Server) func() {
	before := srv.UsedCPU()
	return func() {
		b.ReportMetric(float64((srv.UsedCPU()-before).Nanoseconds())/float64(b.N), "redis-ns/op")
	}
}

func BenchmarkParallel(b *testing.B) {
	ctx := context.Background()
	srv := redistest.Start(b)
	st := open(b, redisstore.Config{Addrs: []string{srv.Addr()}})
	rec := kilobyte()
	keys := make([]core.Key, inFlight)
	for i := range keys {
		keys[i] = core.Key{Manager: "bench", ID: fmt.Sprintf("session%d", i)}
		if err := st.Create(ctx, keys[i], rec); err != nil {
			b.Fatal(err)
		}
	}
	pool := &redis.Pool{MaxIdle: inFlight, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", srv.Addr()) }}
	b.Cleanup(func() { pool.Close() })
	blob := []byte(strings.Repeat("v", 1024))
	run := func(name string, op func(i int) error) {
		b.Run(name, func(b *testing.B) {
			defer cpu(b, srv)()
			b.ReportAllocs()
			parallel(b, op)
		})
	}
	load := func(i int) (core.Record, error) {
		return st.Load(ctx, keys[i], core.LoadOptions{Now: time.Now(), Touch: time.Minute})
	}
	get := func(i int) error {
		conn := pool.Get()
		defer conn.Close()
		_, err := redis.Bytes(conn.Do("GET", "plain"))
		return err
	}
	set := func(i int) error {
		conn := pool.Get()
		defer conn.Close()
		_, err := conn.Do("SET", "plain", blob, "PX", 3600000)
		return err
	}
	if err := set(0); err != nil {
		b.Fatal(err)
	}
	run("floor=GET", get)
	run("floor=SET", set)
	run("load", func(i int) error { _, err := load(i); return err })
	run("merge in Redis", func(i int) error {
		_, err := st.Save(ctx, keys[i], &core.Change{Set: core.Values{{Name: "name5", Data: rec.Values[5].Data}}})
		return err
	})
	run("replace", func(i int) error {
		_, err := st.Save(ctx, keys[i], &core.Change{Set: rec.Values, Replace: true})
		return err
	})
	run("load+replace", func(i int) error {
		if _, err := load(i); err != nil {
			return err
		}
		_, err := st.Save(ctx, keys[i], &core.Change{Set: rec.Values, Replace: true})
		return err
	})
	run("floor=GET+SET", func(i int) error {
		if err := get(i); err != nil {
			return err
		}
		return set(i)
	})
	run("create", func(i int) error {
		return st.Create(ctx, core.Key{Manager: "bench", ID: fmt.Sprint(i, time.Now().UnixNano())}, rec)
	})
	run("lock+save", func(i int) error {
		_, fence, err := st.Lock(ctx, keys[i], core.LockOptions{LoadOptions: core.LoadOptions{Touch: time.Minute}, Lease: time.Minute})
		if err != nil {
			return err
		}
		_, err = st.Save(ctx, keys[i], &core.Change{Set: core.Values{{Name: "name5", Data: rec.Values[5].Data}}, Fence: fence, Unlock: true})
		return err
	})
}

// parallel shares b.N operations between workers, each of which has a number.
func parallel(b *testing.B, op func(i int) error) {
	b.Helper()
	todo := make(chan struct{}, 1024)
	failed := make(chan error, inFlight)
	for i := range inFlight {
		go func() {
			var err error
			for range todo {
				if e := op(i); e != nil {
					err = e
				}
			}
			failed <- err
		}()
	}
	for range b.N {
		todo <- struct{}{}
	}
	close(todo)
	for range inFlight {
		if err := <-failed; err != nil {
			b.Error(err)
		}
	}
}
