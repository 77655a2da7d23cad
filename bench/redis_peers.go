package bench

import (
	"context"
	"errors"
	"net/http"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	"github.com/labstack/echo/v4"
	goredis "github.com/redis/go-redis/v9"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// RedisPeers are those that keep sessions in Redis, in the order of the tables.
func RedisPeers(t Target) []Peer {
	return []Peer{
		floorRedis(t),
		holdoverRedis(t, core.Lossy), holdoverRedis(t, core.Merge), holdoverRedis(t, core.Optimistic), holdoverRedis(t, core.Serialized),
		holdoverReadOnly(t), holdoverOnRedis(t, "holdover-myghty-redis", myghtyHandler),
		scsRedis(t), bojRedis(t),
	}
}

// holdoverRedis is Holdover for plain Echo handlers, with everything but the locking policy at its default.
func holdoverRedis(t Target, policy core.LockingPolicy) Peer {
	return holdoverOnRedis(t, "holdover-"+policy.String(), compatWith(core.Config{Locking: policy}))
}

// holdoverReadOnly says under the Serialized policy that it will only read, so that it takes no lock.
func holdoverReadOnly(t Target) Peer {
	p := holdoverOnRedis(t, "holdover-serialized-readonly", compatWith(core.Config{Locking: core.Serialized}, core.ReadOnly))
	p.Ops = []Op{Read}
	return p
}

func holdoverOnRedis(t Target, name string, build func(core.Store) (http.Handler, func() error, error)) Peer {
	return Peer{
		Name:   name,
		Medium: InRedis,
		Open: func(string) (http.Handler, func() error, error) {
			store, err := openRedisStore(t)
			if err != nil {
				return nil, nil, err
			}
			return openOn(store, build)
		},
	}
}

func openRedisStore(t Target) (*redisstore.Store, error) {
	return redisstore.Open(context.Background(), redisstore.Config{Addrs: []string{t.Addr}, Dial: t.Dial})
}

// goredisClient returns a client of go-redis with a connection for each request in flight.
func goredisClient(t Target) *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: t.Addr, Dialer: t.Dial, PoolSize: 2 * InFlight})
}

// scsRedis is alexedwards/scs with its store for go-redis.
func scsRedis(t Target) Peer {
	return Peer{
		Name:   "scs-goredis",
		Medium: InRedis,
		Open: func(string) (http.Handler, func() error, error) {
			client := goredisClient(t)
			m := scs.New()
			m.Store = goredisstore.New(client)
			return scsHandlers{m}.serve(), client.Close, nil
		},
	}
}

// bojRedis is boj/redistore with a pool of its own. The one that its other constructors make sends a PING
// each time a connection is borrowed.
func bojRedis(t Target) Peer {
	return Peer{
		Name:   "boj-redistore",
		Medium: InRedis,
		Open: func(string) (http.Handler, func() error, error) {
			pool := t.pool()
			store, err := redistore.NewRediStoreWithPool(pool, gorillaKey)
			if err != nil {
				return nil, nil, errors.Join(err, pool.Close())
			}
			g := gorillaHandlers(func(c echo.Context) (*sessions.Session, error) {
				return store.Get(c.Request(), gorillaCookie)
			})
			return serve(g.handlers()), store.Close, nil
		},
	}
}
