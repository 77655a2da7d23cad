package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// startTLS starts a server that speaks TLS on a port of its own, which it returns.
func startTLS(t *testing.T, ca *authority, auth string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	port = l.Addr().(*net.TCPAddr).Port
	ok(t, l.Close())
	cert, key := ca.issue(t, "server-"+auth, "redis.test")
	redistest.Start(t, "--tls-port", fmt.Sprint(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.file,
		"--tls-auth-clients", auth)
	return port
}

// works opens the store that a URL names and uses it.
func works(t *testing.T, url string) {
	t.Helper()
	st, err := core.OpenStore(t.Context(), url)
	ok(t, err)
	defer st.Close()
	key := core.Key{Manager: "m", ID: "over TLS"}
	ok(t, st.Create(t.Context(), key, anHour("a", strings.Repeat("1", 100000))))
	rec, err := st.Load(t.Context(), key, core.LoadOptions{})
	if err != nil || len(rec.Values) != 1 {
		t.Errorf("got %d values, %v", len(rec.Values), err)
	}
	locker, waiter := st.(core.Locker), st.(core.LockWaiter)
	_, fence, err := locker.Lock(t.Context(), key, core.LockOptions{Lease: time.Minute})
	ok(t, err)
	ok(t, waiter.WaitLock(t.Context(), key, 10*time.Millisecond)) // which listens on a connection of its own
	ok(t, locker.Unlock(t.Context(), key, fence))
	_, _, err = st.Delete(t.Context(), key, time.Now())
	ok(t, err)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	port := startTLS(t, ca, "no")
	at := func(host, query string) string { return fmt.Sprintf("rediss://%s:%d?%s", host, port, query) }

	works(t, at("127.0.0.1", "tls_ca="+ca.file))
	works(t, at("127.0.0.1", "tls_server_name=redis.test&tls_ca="+ca.file))
	for name, tt := range map[string]struct{ url, want string }{
		"unknown authority": {at("127.0.0.1", ""), "certificate signed by unknown authority"},
		"another authority": {at("127.0.0.1", "tls_ca="+other.file), "x509"},
		"another name":      {at("127.0.0.1", "tls_server_name=other.test&tls_ca="+ca.file), "valid for redis.test, not other.test"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := redisstore.ParseURL(tt.url)
			ok(t, err)
			refused(t, cfg, "TLS with 127.0.0.1", tt.want)
		})
	}
	t.Run("without TLS", func(t *testing.T) {
		cfg := redisstore.Config{Addrs: []string{fmt.Sprint("127.0.0.1:", port)}, Timeout: 100 * time.Millisecond}
		refused(t, cfg, cfg.Addrs[0])
	})
	t.Run("TLS with a server that has none", func(t *testing.T) {
		cfg, err := redisstore.ParseURL("rediss://" + redistest.Start(t).Addr() + "?timeout=100ms&dial_timeout=100ms")
		ok(t, err)
		refused(t, cfg, "TLS with "+cfg.Addrs[0])
	})
}

func TestTLSClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	port := startTLS(t, ca, "yes")
	url := fmt.Sprintf("rediss://127.0.0.1:%d?tls_ca=%s", port, ca.file)
	cert, key := ca.issue(t, "client")
	works(t, url+"&tls_cert="+cert+"&tls_key="+key)

	cfg, err := redisstore.ParseURL(url)
	ok(t, err)
	refused(t, cfg, "certificate")

	cert, key = newAuthority(t).issue(t, "stranger")
	cfg, err = redisstore.ParseURL(url + "&tls_cert=" + cert + "&tls_key=" + key)
	ok(t, err)
	refused(t, cfg, "remote error: tls")
}

// TestSilence connects to what accepts and never says anything. Nothing waits for longer than it was told.
func TestSilence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts
	ok(t, err)
	t.Cleanup(func() { l.Close() })
	addr := l.Addr().String()
	urls := map[string]string{
		"plain":    "redis://" + addr,
		"TLS":      "rediss://" + addr,
		"password": "redis://:sesame@" + addr,
		"sentinel": "redis+sentinel://" + addr + "/main",
		"cluster":  "redis+cluster://" + addr + "," + addr,
	}
	tests := []struct {
		name    string
		query   string
		context time.Duration
		want    error
	}{
		{"context", "", 200 * time.Millisecond, context.DeadlineExceeded},
		{"Timeout", "?dial_timeout=100ms&timeout=200ms", time.Minute, redisstore.ErrTimeout},
	}
	for kind, url := range urls {
		for _, tt := range tests {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), tt.context)
				defer cancel()
				began := time.Now()
				st, err := core.OpenStore(ctx, url+tt.query)
				took := time.Since(began)
				if err == nil {
					st.Close()
					t.Fatal("Open worked")
				}
				if !errors.Is(err, tt.want) || !errors.Is(err, redisstore.ErrTimeout) {
					t.Errorf("got %v, want %v and ErrTimeout", err, tt.want)
				}
				if took < 150*time.Millisecond || took > 1800*time.Millisecond { // other bounds are 2 s and more; machines are busy
					t.Errorf("it took %v, want 200ms", took)
				}
			})
		}
	}
}
