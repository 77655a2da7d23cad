package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdover-web/holdover/examples/sidebyside/internal/program"
	"github.com/holdover-web/holdover/examples/sidebyside/internal/visitor"
	"github.com/holdover-web/holdover/internal/redistest"
)

// config writes a file and returns its name.
func config(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "apps.ini")
	replace(t, file, text)
	return file
}

// replace puts a file into the place of another at once.
func replace(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// output runs the program to its end.
func output(t *testing.T, bin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), errs.String(), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

func TestCheck(t *testing.T) {
	bin := program.Build(t, folder)
	stdout, stderr, code := output(t, bin, "-check", "-store", "memory:", "-addr", "unix:/tmp/x")
	if code != 0 || stderr != "" {
		t.Fatalf("%d %s", code, stderr)
	}
	for _, want := range []string{"listen               unix:/tmp/x", "max_body             64KiB", "[app:desk]\n", "locking              serialized",
		"mounted at           shop.localhost/\n", "manager              shop (share = yes)", "cookie               desk; Path=/; HttpOnly; SameSite=Strict; Secure auto",
		"save                 always", "absolute_timeout     30d", "manager              lab/merge"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in the table:\n%s", want, stdout)
		}
	}

	srv := redistest.Start(t, "--requirepass", "hunter2")
	stdout, stderr, code = output(t, bin, "-check", "-store", srv.URL()+"/0?timeout=5s")
	if all := stdout + stderr; code != 0 || strings.Contains(all, "hunter2") || !strings.Contains(all, " redis://"+srv.Addr()+"/0\n") {
		t.Errorf("%d\n%s", code, all)
	}

	bad := config(t, "[composite:main]\nuse = urlmap\n/desk = dsk\n[app:desk]\nuse = desk\nquirks = SaveOnExeption\n"+
		"SessionTimeout = long\n[store:main]\nurl = memory:\n[server:main]\nlisten = nowhere\n")
	for _, args := range [][]string{{"-config", bad, "-check"}, {"-config", bad}} {
		stdout, stderr, code = output(t, bin, args...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if code != 1 || stdout != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "sidebyside: "+bad+":3: ") || !strings.HasPrefix(lines[1], "sidebyside: "+bad+":11: ") {
			t.Errorf("%v: %d %s\n%s", args, code, stdout, stderr)
		}
	}
	replace(t, bad, "[app:main]\nuse = desk\nquirks = SaveOnExeption\nSessionTimeout = long\nidle_timeout = 1h\nSessionStore = File\n"+
		"UseCookieSessions = maybe\nRedisHost = x\nSesionName = x\n[store:main]\nurl = memory:\n")
	_, stderr, _ = output(t, bin, "-config", bad, "-check")
	for i, want := range []string{"3: quirks: there is no \"SaveOnExeption\"", "4: SessionTimeout: idle_timeout says the same", "6: SessionStore: the section [store:NAME]",
		"7: UseCookieSessions: the setting UseCookieSessions must be true or false", "8: RedisHost: the setting RedisHost is refused", "9: SesionName: there is no option of this name here; did you mean SessionName?"} {
		if lines := strings.Split(stderr, "\n"); len(lines) != 7 || !strings.HasPrefix(lines[i], "sidebyside: "+bad+":"+want) {
			t.Errorf("%s\n%d: want %q", stderr, i, want)
		}
	}
}

// With SIGHUP another configuration is in use, and a wrong one is not. No request fails meanwhile, and no session is lost.
func TestReload(t *testing.T) {
	bin := program.Build(t, folder)
	const apps = `
[composite:main]
use = urlmap
/desk = desk
/lab/serialized = lab
/blog = blog
[app:desk]
use = desk
[app:lab]
use = lab-serialized
[app:blog]
use = blog
filter-with = addslash
title = %TITLE
[store:main]
url = file:%STORE
`
	store := t.TempDir()
	text := func(title string) string { return strings.NewReplacer("%TITLE", title, "%STORE", store).Replace(apps) }
	file := config(t, text("First"))
	p := program.Start(t, bin, "-config", file, "-addr", "127.0.0.1:0")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	var sent atomic.Int64
	for range 3 {
		load.Go(func() {
			v := visitor.New(t, p.URL)
			n := 0
			for ctx.Err() == nil {
				r, err := v.Send(context.WithoutCancel(ctx), http.MethodPost, fmt.Sprintf("/lab/serialized/incr?name=n&ms=%d", n%20), nil, nil)
				n++
				if want := fmt.Sprintf(`"values":{"n":%d}`, n); err != nil || r.Status != 200 || !strings.Contains(r.Body, want) {
					t.Errorf("request %d: %v %d %s", n, err, r.Status, r.Body)
					return
				}
				sent.Add(1)
			}
		})
	}
	v := visitor.New(t, p.URL)
	signIn(t, v)
	v.Get("/lab/serialized/put?name=drink&value=water")
	var slow visitor.Reply
	load.Go(func() { slow = v.Get("/lab/serialized/put?name=drink&value=tea&ms=3000") }) // through several reloads
	for i := range 12 {
		title := fmt.Sprint("Title ", i)
		replace(t, file, text(title))
		p.Signal(syscall.SIGHUP)
		untilLogged(t, p, "is in use", i+1)
		if r := v.Get("/blog/"); !strings.Contains(r.Body, title) {
			t.Errorf("%s is not in use:\n%s", title, r.Body)
		}
		expectVisits(t, v, "You have been here ")
	}
	replace(t, file, text("Never")+"url = memory:\n[app:desk]\n")
	p.Signal(syscall.SIGHUP)
	untilLogged(t, p, "the one before stays in use", 1)
	for _, want := range []string{file + ":17: url is there already", file + ":18: [app:desk] is there already"} {
		if !strings.Contains(p.Log(), want) {
			t.Errorf("%q is not in the log:\n%s", want, p.Log())
		}
	}
	if r := v.Get("/blog/"); !strings.Contains(r.Body, "Title 11") {
		t.Errorf("the wrong file is in use:\n%s", r.Body)
	}
	stop()
	load.Wait()
	if slow.Status != 200 || !strings.Contains(slow.Body, "tea") {
		t.Errorf("the slow request: %d %s", slow.Status, slow.Body)
	}
	expectVisits(t, v, "You have been here 13 times.")
	t.Logf("%d requests through 13 reloads", sent.Load())
}

// untilLogged waits until the program has logged a text that often.
func untilLogged(t *testing.T, p *program.Program, text string, times int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); strings.Count(p.Log(), text) < times; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not logged %d times:\n%s", text, times, p.Log())
		}
	}
}

func publish(t *testing.T, v *visitor.Visitor, path, title string) {
	t.Helper()
	r := v.Post(path, url.Values{"title": {title}, "text": {"a text"}, "action": {"publish"}})
	if r.Status != http.StatusSeeOther {
		t.Fatalf("publish %s at %s: %d\n%s", title, path, r.Status, r.Body)
	}
}

func expectPage(t *testing.T, r visitor.Reply, has, hasNot string) {
	t.Helper()
	if r.Status != 200 || !strings.Contains(r.Body, has) || hasNot != "" && strings.Contains(r.Body, hasNot) {
		t.Errorf("%d; want %q and not %q:\n%s", r.Status, has, hasNot, r.Body)
	}
}
