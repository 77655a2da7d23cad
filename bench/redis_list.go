package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// Listing is a server with as many sessions in one database as there are plain keys in another.
type Listing struct {
	n     int
	store *redisstore.Store
	plain redis.Conn
}

// The databases of a Listing.
const (
	plainDB = 1
	oursDB  = 2
)

// NewListing stores n of each, on an empty server. The caller closes it.
func NewListing(r *Redis, n int) (*Listing, error) {
	if err := r.Flush(); err != nil {
		return nil, err
	}
	plain, err := redis.Dial("tcp", r.addr, redis.DialDatabase(plainDB))
	if err != nil {
		return nil, err
	}
	store, err := redisstore.Open(context.Background(), redisstore.Config{Addrs: []string{r.addr}, DB: oursDB})
	if err != nil {
		_ = plain.Close()
		return nil, err
	}
	l := &Listing{n, store, plain}
	if err := l.fill(); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Listing) fill() error {
	blob := newBlob()
	for i := range l.n {
		if err := l.plain.Send("SET", fmt.Sprintf("%s%026d", floorPrefix, i), blob, "EX", floorTTL); err != nil {
			return err
		}
		if i%1000 == 999 || i == l.n-1 {
			if _, err := l.plain.Do(""); err != nil {
				return err
			}
		}
	}
	m, err := core.New(managerID, l.store, core.Config{SweepInterval: -1})
	if err != nil {
		return err
	}
	a := &holdover{m}
	var left atomic.Int64
	left.Store(int64(l.n))
	var failed error
	var first sync.Once
	var wg sync.WaitGroup
	for range InFlight {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := a.create(context.Background()); err != nil {
					first.Do(func() { failed = err })
					return
				}
			}
		})
	}
	wg.Wait()
	if err := m.Close(context.Background()); failed == nil {
		failed = err
	}
	return failed
}

// Sessions lists all sessions and returns how long it took.
func (l *Listing) Sessions() (time.Duration, error) {
	start, n := time.Now(), 0
	for _, err := range l.store.IDs(context.Background(), managerID, start) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return time.Since(start), l.complete(n)
}

// Scan lists all plain keys by SCAN, a thousand at a time, and returns how long it took.
func (l *Listing) Scan() (time.Duration, error) {
	start, n := time.Now(), 0
	for cursor := "0"; ; {
		reply, err := redis.Values(l.plain.Do("SCAN", cursor, "COUNT", 1000))
		if err != nil {
			return 0, err
		}
		var keys []string
		if _, err := redis.Scan(reply, &cursor, &keys); err != nil {
			return 0, err
		}
		if n += len(keys); cursor == "0" {
			return time.Since(start), l.complete(n)
		}
	}
}

func (l *Listing) complete(n int) error {
	if n != l.n {
		return fmt.Errorf("%d listed of %d", n, l.n)
	}
	return nil
}

// Close ends the connections. What is stored stays.
func (l *Listing) Close() error {
	_ = l.plain.Close()
	return l.store.Close()
}
