package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
	"github.com/holdover-web/holdover/internal/redistest"
)

// While Redis is down visitors are told so, soon, and nothing else goes wrong: when it is back they find what they had.
func TestRedisDown(t *testing.T) {
	srv := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	p := start(t, program.Build(t, folder), srv.URL()+"/0?timeout=1s")
	v, stranger := visitor.New(t, p.URL), visitor.New(t, p.URL)
	signIn(t, v)
	expectVisits(t, v, "You have been here once.")
	v.Get("/lab/merge/put?name=drink&value=tea")

	srv.Kill()
	for _, tt := range []struct {
		name string
		send func() visitor.Reply
		text string
	}{
		{"page", func() visitor.Reply { return v.Get("/desk/counter") }, "could not be saved just now"},
		{"form", func() visitor.Reply {
			return v.Post("/desk/tickets", url.Values{"title": {"lost"}, "_action_add": {"1"}})
		}, "could not be saved just now"},
		{"sign in", func() visitor.Reply {
			return stranger.Post("/desk/login", url.Values{"user": {"ada"}, "password": {"engine"}, "_action_login": {"1"}})
		}, "could not be saved just now"},
		{"lab", func() visitor.Reply { return v.Get("/lab/merge/put?name=drink&value=water") }, "could not be read or saved just now"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			r := tt.send()
			if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(r.Body, tt.text) {
				t.Errorf("%d, Retry-After %q\n%s", r.Status, r.Header.Get("Retry-After"), r.Body)
			}
			if strings.Contains(r.Body, srv.Addr()) {
				t.Errorf("the page says where Redis is:\n%s", r.Body)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	if r := v.Get("/"); r.Status != http.StatusOK {
		t.Errorf("a page without a session: %d", r.Status)
	}

	srv.Restart()
	expectVisits(t, v, "You have been here 2 times.")
	if r := v.Get("/desk/tickets"); strings.Contains(r.Body, "lost") {
		t.Errorf("what the visitor was told is not saved is there:\n%s", r.Body)
	}
	if r := v.Get("/lab/merge/show"); !strings.Contains(r.Body, "tea") {
		t.Errorf("the lab: %d %s", r.Status, r.Body)
	}
	signIn(t, stranger)
}

func TestRedisWrongPassword(t *testing.T) {
	srv := redistest.Start(t, "--requirepass", "right")
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program.Build(t, folder), "-addr", "127.0.0.1:0", "-store", "redis://:hunter2@"+srv.Addr())
	cmd.Stderr = &stderr
	began := time.Now()
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("ended with %v, want exit code 1", err)
	}
	if out := stderr.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "WRONGPASS") || strings.Contains(out, "hunter2") {
		t.Errorf("on standard error:\n%s\nwant one line with WRONGPASS and without the password", out)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v; trying again does not help", took)
	}
}

// unused returns an address at which nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// noRedis starts a server that is no Redis, and returns its address.
func noRedis(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}
