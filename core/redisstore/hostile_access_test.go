package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// refused checks that Open says what is wrong, soon and without a password.
func refused(t *testing.T, cfg redisstore.Config, want ...string) {
	t.Helper()
	began := time.Now()
	st, err := redisstore.Open(t.Context(), cfg)
	if err == nil {
		st.Close()
		t.Error("Open worked")
		return
	}
	for _, want := range append(want, "redisstore: ") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	for _, password := range []string{"sesame", "guess"} {
		if strings.Contains(err.Error(), password) {
			t.Errorf("the error shows a password: %v", err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to find out: %v", took, err)
	}
}

// TestMetaRefused opens a store where another, or something else, has left its mark.
func TestMetaRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	tests := []struct {
		name  string
		plant []any // KEY stands for PREFIXmeta
		want  []string
	}{
		{"other shards", []any{"HSET", "KEY", "format", 1, "shards", 16}, []string{"Config.Shards: 256", "stored with 16"}},
		{"newer format", []any{"HSET", "KEY", "format", 2, "shards", 256}, []string{"newer version", "format 2, this program knows 1", "upgrade"}},
		{"newer format of other shards", []any{"HSET", "KEY", "format", 9, "shards", 16}, []string{"newer version"}},
		{"no number", []any{"HSET", "KEY", "format", "one", "shards", "many"}, []string{"meta makes no sense"}},
		{"format 0", []any{"HSET", "KEY", "format", 0, "shards", 256}, []string{"meta makes no sense"}},
		{"negative format", []any{"HSET", "KEY", "format", -1, "shards", 256}, []string{"meta makes no sense"}},
		{"a string", []any{"SET", "KEY", "x"}, []string{"WRONGTYPE", "meta"}},
		{"a list", []any{"RPUSH", "KEY", "x"}, []string{"WRONGTYPE", "meta"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prefix := fmt.Sprint("p", i, ":")
			plant := slices.Clone(tt.plant)
			plant[1] = prefix + "meta"
			_, err := srv.Do(plant...)
			ok(t, err)
			before, err := srv.Do("DUMP", prefix+"meta")
			ok(t, err)
			refused(t, redisstore.Config{Addrs: []string{srv.Addr()}, Prefix: prefix}, tt.want...)
			if after, err := srv.Do("DUMP", prefix+"meta"); err != nil || after != before {
				t.Errorf("the key was changed (%v)", err)
			}
		})
	}
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Prefix: "fresh:", Shards: 8})
	ok(t, st.Close())
	refused(t, redisstore.Config{Addrs: []string{srv.Addr()}, Prefix: "fresh:", Shards: 9}, "stored with 8")
	open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Prefix: "fresh:", Shards: 8})
	open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Prefix: "fresh2:", Shards: 9})
}

func TestNewerFormatMatches(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	_, err := srv.Do("HSET", "holdover:meta", "format", 2, "shards", 256)
	ok(t, err)
	if _, err := redisstore.Open(t.Context(), redisstore.Config{Addrs: []string{srv.Addr()}}); !errors.Is(err, redisstore.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", err)
	}
}

func TestPasswordRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, "--requirepass", "sesame")
	cfg := redisstore.Config{Addrs: []string{srv.Addr()}}
	refused(t, cfg, "NOAUTH")
	cfg.Password = "guess"
	refused(t, cfg, "AUTH", "WRONGPASS")
	cfg.Username, cfg.Password = "ada", "sesame"
	refused(t, cfg, "AUTH", "WRONGPASS")
	open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Password: "sesame"})
	open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Username: "default", Password: "sesame", Prefix: "other:"})

	without := redistest.Start(t)
	refused(t, redisstore.Config{Addrs: []string{without.Addr()}, Password: "sesame"}, "AUTH", "without any password")
	refused(t, redisstore.Config{Addrs: []string{without.Addr()}, DB: 99}, "SELECT 99", "out of range")
	refused(t, redisstore.Config{Addrs: []string{without.Addr()}, Mode: redisstore.Cluster}, "cluster support disabled")
}

// TestNoSentinels takes plain servers for Sentinels.
func TestNoSentinels(t *testing.T) {
	t.Parallel()
	a, b := redistest.Start(t, "--requirepass", "sesame"), redistest.Start(t, "--requirepass", "sesame")
	cfg := redisstore.Config{Mode: redisstore.Sentinel, Addrs: []string{a.Addr(), b.Addr()}, MasterName: "main", SentinelPassword: "sesame"}
	refused(t, cfg, "no Sentinel knows the master main", "it is no Sentinel", a.Addr(), b.Addr())
	cfg.SentinelPassword = "guess"
	refused(t, cfg, "no Sentinel knows the master main", "WRONGPASS")
}

// TestUserRefused opens stores as users who lack a right.
func TestUserRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	all := []any{"on", ">sesame", "~holdover:*", "&holdover:*", "+@all"}
	tests := []struct {
		name string
		less []any
		want []string
	}{
		{"no scripts", []any{"-@scripting"}, []string{"NOPERM", "eval"}},
		{"other keys", []any{"resetkeys", "~other:*"}, []string{"NOPERM", "keys"}},
		{"no commands", []any{"nocommands"}, []string{"NOPERM"}},
		{"no writes", []any{"-hsetnx"}, []string{"holdover:meta"}},
		{"no channels", []any{"resetchannels"}, []string{"channel", "&holdover:"}},
		{"off", []any{"off"}, []string{"WRONGPASS"}},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user := fmt.Sprint("user", i)
			_, err := srv.Do(slices.Concat([]any{"ACL", "SETUSER", user}, all, tt.less)...)
			ok(t, err)
			refused(t, redisstore.Config{Addrs: []string{srv.Addr()}, Username: user, Password: "sesame"}, tt.want...)
		})
	}
	t.Run("all that it takes", func(t *testing.T) {
		_, err := srv.Do(slices.Concat([]any{"ACL", "SETUSER", "app"}, all)...)
		ok(t, err)
		st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}, Username: "app", Password: "sesame"})
		key := core.Key{Manager: "m", ID: "session"}
		ok(t, st.Create(t.Context(), key, anHour("a", "1")))
		_, fence, err := st.Lock(t.Context(), key, core.LockOptions{Lease: time.Minute})
		ok(t, err)
		ok(t, st.WaitLock(t.Context(), key, 10*time.Millisecond))
		ok(t, st.Unlock(t.Context(), key, fence))
	})
}

// TestReplies reads what Redis 6.2 and 7 say of commands in scripts.
func TestReplies(t *testing.T) {
	const in62 = "ERR Error running script (call to f_6b1b): @user_script:5: "
	for text, want := range map[string][2]bool{
		"READONLY You can't write against a read only replica.":                           {true, true},
		in62 + "@user_script: 5: -READONLY You can't write against a read only replica. ": {true, true},
		"MASTERDOWN Link with MASTER is down":                                             {true, true},
		"LOADING Redis is loading the dataset in memory":                                  {true, false},
		"CLUSTERDOWN The cluster is down":                                                 {true, true},
		"TRYAGAIN Multiple keys request during rehashing of slot":                         {true, false},
		"BUSY Redis is busy running a script.":                                            {true, false},
		"OOM command not allowed when used memory > 'maxmemory'.":                         {false, false},
		"NOPERM this user has no permissions":                                             {false, false},
		"ERR value is not an integer or out of range":                                     {false, false},
		in62 + "WRONGTYPE Operation against a key holding the wrong kind of value":        {false, false},
		"": {false, false},
	} {
		again, resolve := redisstore.Transient(text)
		if got := [2]bool{again, resolve}; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"WRONGTYPE Operation against a key holding the wrong kind of value script: 6b1b, on @user_script:5.": true,
		in62 + "WRONGTYPE Operation against a key holding the wrong kind of value":                           true,
		"ERR no": false,
	} {
		if got := redisstore.IsWrongType(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// TestLockReadRefused has Redis give the lock and refuse the data.
func TestLockReadRefused(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	st := open(t, redisstore.Config{Addrs: []string{srv.Addr()}})
	key := core.Key{Manager: "m", ID: "a"}
	ok(t, st.Create(t.Context(), key, anHour("a", "1")))
	allow := func(what string) {
		_, err := srv.Do("ACL", "SETUSER", "default", what)
		ok(t, err)
	}
	allow("-get")
	opt := core.LockOptions{Lease: time.Minute}
	if _, _, err := st.Lock(t.Context(), key, opt); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("got %v, want what Redis says", err)
	}
	allow("+get")
	poll(t, 5*time.Second, "the lock is let go", func() bool {
		_, _, err := st.Lock(t.Context(), key, opt)
		return err == nil
	})
}
