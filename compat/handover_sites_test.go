package compat_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

const (
	shopURL  = "http://shop.test"
	adminURL = "http://admin.test/back"
)

var (
	testKey = bytes.Repeat([]byte("k"), 32)
	newKey  = bytes.Repeat([]byte("n"), 32)
)

// handoverSite is a host that takes part in hand-overs.
type handoverSite struct {
	manager  *core.Manager
	handover *compat.Handover
	handler  http.Handler
	log      *logBuffer

	mu     sync.Mutex
	events []compat.HandoverOutcome
}

// newHandoverSite builds a site with a manager of its own on a store that is shared.
func newHandoverSite(t testing.TB, id string, store core.Store, cfg compat.HandoverConfig, now func() time.Time) *handoverSite {
	t.Helper()
	hs := &handoverSite{log: new(logBuffer)}
	var err error
	if hs.manager, err = core.New(id, store, core.Config{Now: now}); err != nil {
		t.Fatal(err)
	}
	sessions, err := compat.NewSessions(hs.manager, compat.SessionsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Sites == nil {
		cfg.Sites = []string{shopURL, adminURL}
	}
	cfg.Logger = slog.New(slog.NewTextHandler(hs.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Listen = func(_ context.Context, e compat.HandoverEvent) {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.events = append(hs.events, e.Outcome)
	}
	if cfg.CurrentKey == nil {
		cfg.CurrentKey = testKey
	}
	if hs.handover, err = compat.NewHandover(sessions, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(hs.handover.Close(context.Background()), hs.manager.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	hs.handler = hs.handover.Middleware(pages(hs.handover))
	return hs
}

// pages are those of each site: they tell who is logged in, log in and out, and link to the other site.
func pages(h *compat.Handover) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := func() error {
			switch ctx := r.Context(); {
			case strings.HasSuffix(r.URL.Path, "/login"):
				s, err := compat.FromContext(ctx)
				if err != nil {
					return err
				}
				return s.Set("user", r.URL.Query().Get("user"))
			case strings.HasSuffix(r.URL.Path, "/logout"):
				s, err := compat.FromContext(ctx)
				if err != nil {
					return err
				}
				return s.Invalidate(ctx)
			case strings.HasSuffix(r.URL.Path, "/sites"):
				sites, err := h.Sites(ctx)
				fmt.Fprint(w, strings.Join(sites, " "))
				return err
			case strings.HasSuffix(r.URL.Path, "/link"):
				link, err := h.Link(ctx, r.URL.Query().Get("to"))
				if err == nil {
					fmt.Fprint(w, link)
				}
				return err
			}
			s, err := compat.ExistingFromContext(r.Context(), core.ReadOnly)
			if errors.Is(err, core.ErrNotFound) {
				fmt.Fprint(w, "nobody at ", r.RequestURI)
				return nil
			}
			if err != nil {
				return err
			}
			user, err := core.Get[string](s, "user")
			fmt.Fprint(w, user, " at ", r.RequestURI)
			return err
		}()
		if err != nil {
			http.Error(w, err.Error(), compat.StatusOf(err))
		}
	})
}

// outcomes returns what was told since the last call.
func (hs *handoverSite) outcomes() []compat.HandoverOutcome {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	events := hs.events
	hs.events = nil
	return events
}

// hosts are where the names of a test's sites lead.
type hosts map[string]string

// surfer is a browser that knows the hosts, and stops at each redirect unless told to follow.
type surfer struct {
	t testing.TB
	*http.Client
}

func (hs hosts) surfer(t testing.TB) *surfer {
	t.Helper()
	b := browser(t)
	b.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, network, hs[host])
	}
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &surfer{t, b}
}

// visit requests one URL.
func (s *surfer) visit(u string) (*http.Response, string) {
	s.t.Helper()
	resp, err := s.Get(u)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

// follow requests a URL and goes where it is sent. It returns all URLs that it saw.
func (s *surfer) follow(u string) (way []string, resp *http.Response, body string) {
	s.t.Helper()
	for range 6 {
		way = append(way, u)
		resp, body = s.visit(u)
		if resp.StatusCode != http.StatusSeeOther {
			return way, resp, body
		}
		if h := resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
			s.t.Errorf("a redirect with headers %v", h)
		}
		u = resp.Header.Get("Location")
	}
	s.t.Fatalf("sent around: %q", way)
	return nil, nil, ""
}

// ticket goes up to the point where it is handed a ticket, and returns the URL with that.
func (s *surfer) ticket(to string) string {
	s.t.Helper()
	_, link := s.visit(shopURL + "/link?to=" + url.QueryEscape(to))
	for range 2 {
		resp, _ := s.visit(link)
		link = resp.Header.Get("Location")
	}
	if !strings.Contains(link, "handover=ticket.") {
		s.t.Fatalf("no ticket in %q", link)
	}
	return link
}

// cookie returns the session cookie that the browser has for a site.
func (s *surfer) cookie(site string) string {
	u, err := url.Parse(site)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range s.Jar.Cookies(u) {
		if c.Name == "sid" {
			return c.Value
		}
	}
	return ""
}

// pair is two sites, on servers of their own, with one store.
type pair struct {
	shop, admin *handoverSite
	hosts       hosts
	clock       *clock
}

type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

func newPair(t testing.TB, cfg compat.HandoverConfig) *pair {
	t.Helper()
	store := memstore.New(memstore.Config{})
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &pair{clock: new(clock)}
	p.shop = newHandoverSite(t, "house", store, cfg, p.clock.now)
	p.admin = newHandoverSite(t, "house", store, cfg, p.clock.now)
	p.hosts = hosts{"shop.test": start(t, p.shop.handler), "admin.test": start(t, p.admin.handler)}
	return p
}

func wantOutcomes(t testing.TB, hs *handoverSite, want ...compat.HandoverOutcome) {
	t.Helper()
	if got := hs.outcomes(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}

func base64URL(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
