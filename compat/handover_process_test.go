package compat_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	_ "github.com/holdover-web/holdover/core/filestore"
	_ "github.com/holdover-web/holdover/core/redisstore"
	"github.com/holdover-web/holdover/internal/redistest"
)

// The test program starts itself again as the servers of the sites; the variable says on which store.
const childStore = "HOLDOVER_CHILD_STORE"

// childSite serves both sites, tells its address, and ends when its input does.
func childSite(storeURL string) {
	err := func() error {
		ctx := context.Background()
		store, err := core.OpenStore(ctx, storeURL)
		if err != nil {
			return err
		}
		m, err := core.New("house", store, core.Config{})
		if err != nil {
			return err
		}
		sessions, err := compat.NewSessions(m, compat.SessionsConfig{})
		if err != nil {
			return err
		}
		h, err := compat.NewHandover(sessions, compat.HandoverConfig{Sites: []string{shopURL, adminURL}, CurrentKey: testKey,
			Listen: func(_ context.Context, e compat.HandoverEvent) { fmt.Println(e.Outcome) }})
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		go func() { _ = http.Serve(l, h.Middleware(pages(h))) }()
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a childSite.
type process struct {
	addr string

	mu   sync.Mutex
	told []string
}

func startProcess(t *testing.T, storeURL string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childStore+"="+storeURL)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := new(process)
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the process tells no address")
	}
	p.addr = lines.Text()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			p.mu.Lock()
			p.told = append(p.told, lines.Text())
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-read
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return p
}

func (p *process) heard(outcome compat.HandoverOutcome) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, line := range p.told {
		if line == outcome.String() {
			n++
		}
	}
	return n
}

// TestHandoverBetweenProcesses has one process for the first site and two for the other. A ticket is good once, whichever
// process it is brought to.
func TestHandoverBetweenProcesses(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) string{
		"file":  func(t *testing.T) string { return "file:" + t.TempDir() + "?durability=none" },
		"redis": func(t *testing.T) string { return redistest.Start(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			storeURL := open(t)
			shop, one, two := startProcess(t, storeURL), startProcess(t, storeURL), startProcess(t, storeURL)
			b := hosts{"shop.test": shop.addr, "admin.test": one.addr}.surfer(t)
			other := hosts{"shop.test": shop.addr, "admin.test": two.addr}.surfer(t)
			other.Jar = b.Jar // the same browser, which a balancer leads to the other process
			b.visit(shopURL + "/login?user=ann")
			const rounds = 5
			for range rounds {
				ticket := b.ticket(adminURL + "/x")
				var wg sync.WaitGroup
				for _, s := range []*surfer{b, other, b, other} {
					wg.Go(func() {
						resp, err := s.Get(ticket)
						if err != nil {
							t.Error(err)
							return
						}
						_ = resp.Body.Close()
					})
				}
				wg.Wait()
			}
			count := func(o compat.HandoverOutcome) int { return one.heard(o) + two.heard(o) }
			eventually(t, "all tickets are told of", func() bool {
				return count(compat.HandoverDone)+count(compat.HandoverReplayed) == 4*rounds
			})
			if n := count(compat.HandoverDone); n != rounds {
				t.Errorf("%d of %d tickets were good", n, rounds)
			}
			if _, body := other.visit(adminURL + "/x"); body != "ann at /back/x" {
				t.Errorf("the page says %q", body)
			}
			if _, _, body := other.follow(shopURL + "/link?to=" + url.QueryEscape(adminURL)); !strings.HasPrefix(body, adminURL+"?handover=from.") {
				t.Errorf("the link is %q", body)
			}
			b.visit(shopURL + "/logout")
			if _, body := other.visit(adminURL + "/x"); body != "nobody at /back/x" {
				t.Errorf("the page says %q after the logout", body)
			}
		})
	}
}
