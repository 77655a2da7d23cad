package compat_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

func TestHandover(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := p.hosts.surfer(t)
	b.visit(shopURL + "/login?user=ann")
	id := b.cookie(shopURL)
	_, link := b.visit(shopURL + "/link?to=" + url.QueryEscape(adminURL+"/page?a=1&handover=x&b=2"))
	way, resp, body := b.follow(link)
	if body != "ann at /back/page?a=1&b=2" || way[len(way)-1] != adminURL+"/page?a=1&b=2" || len(way) != 4 || resp.StatusCode != 200 {
		t.Errorf("came by %q to %d %q", way, resp.StatusCode, body)
	}
	if got := b.cookie(adminURL); got != id || id == "" {
		t.Errorf("the cookies are %q and %q", id, got)
	}
	for _, u := range way {
		if strings.Contains(u, id) {
			t.Errorf("the id is in the URL %q", u)
		}
	}
	wantOutcomes(t, p.shop, compat.HandoverIssued)
	wantOutcomes(t, p.admin, compat.HandoverDone)

	// It is one session: what one site does to it, the other sees.
	b.visit(adminURL + "/login?user=bob")
	if _, body := b.visit(shopURL + "/"); body != "bob at /" {
		t.Errorf("shop says %q", body)
	}
	b.visit(shopURL + "/logout")
	if _, body := b.visit(adminURL + "/"); body != "nobody at /back/" {
		t.Errorf("admin says %q after the logout", body)
	}
	if n, err := p.shop.manager.Count(t.Context()); n != 0 || err != nil {
		t.Errorf("%d sessions are left, %v", n, err)
	}
	if log := p.shop.log.String() + p.admin.log.String(); strings.Contains(log, id) || !strings.Contains(log, "outcome=done") {
		t.Errorf("log %s", log)
	}
}

// TestHandoverRefuses has each ticket that is not good refused and told, and its bringer get a clean page.
func TestHandoverRefuses(t *testing.T) {
	page := adminURL + "/page?a=1"
	for _, tt := range []struct {
		name  string
		spoil func(p *pair, b *surfer, ticket string) (visit string)
		want  compat.HandoverOutcome
		page  string // where the user is left; "" is the page that was wanted
		other bool   // somebody else's browser follows the link
	}{
		{name: "replay", want: compat.HandoverReplayed, spoil: func(p *pair, b *surfer, ticket string) string {
			b.visit(ticket)
			b.visit(adminURL + "/logout")
			wantOutcomes(b.t, p.admin, compat.HandoverDone)
			return ticket
		}},
		{name: "too late", want: compat.HandoverExpired, spoil: func(p *pair, _ *surfer, ticket string) string {
			p.clock.advance(31 * time.Second)
			return ticket
		}},
		{name: "one character", want: compat.HandoverForged, page: adminURL + "/", spoil: func(_ *pair, _ *surfer, ticket string) string {
			i := strings.Index(ticket, "ticket.") + 40
			return ticket[:i] + string(ticket[i]^1) + ticket[i+1:]
		}},
		{name: "cut", want: compat.HandoverForged, page: adminURL + "/", spoil: func(_ *pair, _ *surfer, ticket string) string { return ticket[:len(ticket)-1] }},
		{name: "wrong site", want: compat.HandoverWrongSite, page: shopURL + "/", spoil: func(_ *pair, _ *surfer, ticket string) string {
			return strings.Replace(ticket, adminURL, shopURL, 1)
		}},
		{name: "another browser", want: compat.HandoverOtherBrowser, other: true, spoil: func(_ *pair, _ *surfer, ticket string) string { return ticket }},
		{name: "session ended", want: compat.HandoverEnded, spoil: func(_ *pair, b *surfer, ticket string) string {
			b.visit(shopURL + "/logout")
			return ticket
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t, compat.HandoverConfig{})
			b := p.hosts.surfer(t)
			b.visit(shopURL + "/login?user=ann")
			visit := tt.spoil(p, b, b.ticket(page))
			p.shop.outcomes()
			who := b
			if tt.other {
				who = p.hosts.surfer(t)
				who.visit(adminURL + "/login?user=victim")
				_, link := who.visit(shopURL + "/link?to=" + url.QueryEscape(page))
				who.visit(link) // so that it has a nonce, of its own
			}
			before := who.cookie(adminURL)
			way, resp, body := who.follow(visit)
			want := tt.page
			if want == "" {
				want = page
			}
			if got := way[len(way)-1]; got != want || resp.StatusCode != 200 {
				t.Errorf("left at %d %q, want %q", resp.StatusCode, got, want)
			}
			if tt.other != (body == "victim at /back/page?a=1") || strings.HasPrefix(body, "ann") && tt.page != shopURL+"/" {
				t.Errorf("the page says %q", body)
			}
			if got := who.cookie(adminURL); got != before {
				t.Errorf("the cookie %q became %q", before, got)
			}
			told := p.admin
			if tt.want == compat.HandoverWrongSite {
				told = p.shop
			}
			wantOutcomes(t, told, tt.want)
			if refused := strings.Contains(told.log.String(), "level=WARN"); refused != tt.want.Refused() {
				t.Errorf("log %s", told.log)
			}
			if tt.other { // who made the ticket can still use it
				if _, _, body := b.follow(visit); body != "ann at /back/page?a=1" {
					t.Errorf("its own browser is refused: %q", body)
				}
			}
		})
	}
}

// TestHandoverOnce has one browser bring its ticket many times at once.
func TestHandoverOnce(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := p.hosts.surfer(t)
	b.visit(shopURL + "/login?user=ann")
	ticket := b.ticket(adminURL)
	p.admin.outcomes()
	var wg sync.WaitGroup
	got := make([]bool, 16)
	for i := range got {
		wg.Go(func() {
			resp, err := b.Get(ticket)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			got[i] = sid(resp) != nil
		})
	}
	wg.Wait()
	n := 0
	for _, won := range got {
		if won {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of %d were let in", n, len(got))
	}
	done := 0
	for _, o := range p.admin.outcomes() {
		if o == compat.HandoverDone {
			done++
		}
	}
	if done != 1 {
		t.Errorf("told of %d", done)
	}
}

func TestHandoverKeys(t *testing.T) {
	for _, tt := range []struct {
		name        string
		shop, admin compat.HandoverConfig
		manager     string // of admin
		ok          bool
	}{
		{"the new key signs, and is known", compat.HandoverConfig{CurrentKey: newKey, OldKeys: [][]byte{testKey}}, compat.HandoverConfig{OldKeys: [][]byte{newKey}}, "house", true},
		{"the old one is known", compat.HandoverConfig{}, compat.HandoverConfig{CurrentKey: newKey, OldKeys: [][]byte{testKey}}, "house", true},
		{"the old one is dropped", compat.HandoverConfig{}, compat.HandoverConfig{CurrentKey: newKey}, "house", false},
		{"another manager", compat.HandoverConfig{}, compat.HandoverConfig{}, "home", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := memstore.New(memstore.Config{})
			defer store.Close()
			shop := newHandoverSite(t, "house", store, tt.shop, nil)
			admin := newHandoverSite(t, tt.manager, store, tt.admin, nil)
			b := hosts{"shop.test": start(t, shop.handler), "admin.test": start(t, admin.handler)}.surfer(t)
			b.visit(shopURL + "/login?user=ann")
			_, _, body := b.follow(b.ticket(adminURL + "/x"))
			if (body == "ann at /back/x") != tt.ok {
				t.Errorf("the page says %q", body)
			}
			if tt.ok {
				wantOutcomes(t, admin, compat.HandoverDone)
			} else {
				wantOutcomes(t, admin, compat.HandoverForged)
			}
		})
	}
}

// TestHandoverToSomebodyLoggedIn replaces the session of the other site, or not.
func TestHandoverToSomebodyLoggedIn(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newPair(t, compat.HandoverConfig{KeepExisting: keep})
		b := p.hosts.surfer(t)
		b.visit(shopURL + "/login?user=ann")
		b.visit(adminURL + "/login?user=root")
		_, link := b.visit(shopURL + "/link?to=" + url.QueryEscape(adminURL))
		_, _, body := b.follow(link)
		want, outcome := "ann at /back", compat.HandoverReplaced
		if keep {
			want, outcome = "root at /back", compat.HandoverKept
		}
		if body != want {
			t.Errorf("keep %v: %q", keep, body)
		}
		wantOutcomes(t, p.admin, outcome)
	}
}

// TestHandoverWithoutASession just leads to the page, and so does everything that a stranger makes up.
func TestHandoverWithoutASession(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := p.hosts.surfer(t)
	_, link := b.visit(shopURL + "/link?to=" + url.QueryEscape(adminURL+"/x"))
	if way, _, body := b.follow(link); body != "nobody at /back/x" || len(way) != 3 {
		t.Errorf("%q: %q", way, body)
	}
	wantOutcomes(t, p.shop, compat.HandoverNoSession)
	b.visit(shopURL + "/login?user=ann")
	to := func(u string) string { return "give." + strings.Repeat("A", 43) + "." + base64URL(u) }
	for _, value := range []string{"from.", "from.!", "from." + base64URL("http://evil.test"), "from." + base64URL(adminURL), "give.", "give.x.y",
		to("http://evil.test/"), to("//evil.test"), to("http://admin.test.evil.test/back"), to("http://admin.test/elsewhere"), to("http://admin.test/back/../x"),
		to(shopURL), "ticket.", "ticket." + base64URL(strings.Repeat("x", 200)), "ticket." + strings.Repeat("A", 5000)} {
		way, resp, _ := b.follow(shopURL + "/?handover=" + value)
		for _, u := range way {
			if strings.Contains(u, "evil") && u != way[0] {
				t.Errorf("%s leads to %s", value, u)
			}
		}
		if last := way[len(way)-1]; resp.StatusCode != 200 || strings.Contains(last, "handover") || !strings.HasPrefix(last, shopURL) && !strings.HasPrefix(last, adminURL) {
			t.Errorf("%s ends at %d %s", value, resp.StatusCode, last)
		}
	}
	// A value of somebody else's making is the application's own.
	if _, body := b.visit(shopURL + "/?handover=tomorrow"); body != "ann at /?handover=tomorrow" {
		t.Errorf("another's parameter: %q", body)
	}
}

// TestHandoverToALongURL keeps the session when the page does not fit into a ticket, and the page when there is none.
func TestHandoverToALongURL(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := p.hosts.surfer(t)
	b.visit(shopURL + "/login?user=ann")
	for size, want := range map[int]string{2000: "ann at /back/x?q=yyy", 20000: "ann at /back/"} {
		_, link := b.visit(shopURL + "/link?to=" + url.QueryEscape(adminURL+"/x?q="+strings.Repeat("y", size)))
		if _, _, body := b.follow(link); !strings.HasPrefix(body, want) {
			t.Errorf("%d characters: %.30q", size, body)
		}
	}
}

// TestHandoverBelowNoSite leaves the page alone, and says what is wrong.
func TestHandoverBelowNoSite(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := hosts{"other.test": p.hosts["shop.test"], "shop.test": p.hosts["shop.test"]}.surfer(t)
	if _, body := b.visit("http://other.test/?handover=from.x"); body != "nobody at /?handover=from.x" {
		t.Errorf("%q", body)
	}
	if log := p.shop.log.String(); !strings.Contains(log, "below no site") {
		t.Errorf("log %s", log)
	}
	if _, body := b.visit("http://other.test/link?to=" + url.QueryEscape(adminURL)); !strings.Contains(body, "http://other.test") {
		t.Errorf("the link: %q", body)
	}
}

// TestHandoverWantsANavigation: what a page loads by itself, or a browser in advance, moves no session.
func TestHandoverWantsANavigation(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := p.hosts.surfer(t)
	b.visit(shopURL + "/login?user=ann")
	ticket := b.ticket(adminURL + "/x")
	for _, tt := range []struct{ method, header, value string }{{"GET", "Sec-Fetch-Dest", "image"}, {"GET", "Sec-Fetch-Dest", "iframe"}, {"GET", "Sec-Purpose", "prefetch;prerender"}, {"HEAD", "", ""}, {"POST", "", ""}} {
		req, err := http.NewRequest(tt.method, ticket, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.header != "" {
			req.Header.Set(tt.header, tt.value)
		}
		resp, err := b.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if b.cookie(adminURL) != "" {
			t.Errorf("%v moved the session", tt)
		}
	}
	if _, _, body := b.follow(ticket); body != "ann at /back/x" {
		t.Errorf("%q", body)
	}
}

// TestHandoverMounts has the sites be Echo and an application.
func TestHandoverMounts(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	e := echo.New()
	e.Use(compat.EchoHandover(p.shop.handover))
	e.Any("/*", echo.WrapHandler(pages(p.shop.handover)))
	admin := pages(p.admin.handover)
	app := p.admin.handover.Wrap(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		admin.ServeHTTP(env.ResponseWriter(), env.Request())
		return nil, nil
	}))
	var m compat.URLMap
	if err := m.Add("http://admin.test/back", app); err != nil {
		t.Fatal(err)
	}
	b := hosts{"shop.test": start(t, e), "admin.test": start(t, compat.Handler(&m, compat.HandlerConfig{}))}.surfer(t)
	b.visit(shopURL + "/login?user=ann")
	_, link := b.visit(shopURL + "/link?to=" + url.QueryEscape(adminURL+"/x"))
	if way, _, body := b.follow(link); body != "ann at /back/x" {
		t.Errorf("%q: %q", way, body)
	}
}

// TestHandoverWhenTheStoreFails shows an error page, and lets nobody in.
func TestHandoverWhenTheStoreFails(t *testing.T) {
	store := &spyStore{Store: memstore.New(memstore.Config{})}
	defer store.Close()
	shop := newHandoverSite(t, "house", store, compat.HandoverConfig{}, nil)
	admin := newHandoverSite(t, "house", store, compat.HandoverConfig{}, nil)
	b := hosts{"shop.test": start(t, shop.handler), "admin.test": start(t, admin.handler)}.surfer(t)
	b.visit(shopURL + "/login?user=ann")
	ticket := b.ticket(adminURL + "/x")
	for _, method := range []string{"Delete", "Load"} {
		store.breakOn(method, io.ErrUnexpectedEOF)
		if resp, _ := b.visit(ticket); resp.StatusCode != 503 || b.cookie(adminURL) != "" {
			t.Errorf("%s fails: %d, cookie %q", method, resp.StatusCode, b.cookie(adminURL))
		}
	}
	if log := admin.log.String(); !strings.Contains(log, "a session was not handed over") {
		t.Errorf("log %s", log)
	}
}

func TestHandoverLink(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{})
	b := p.hosts.surfer(t)
	for _, to := range []string{"http://evil.test/", "https://admin.test/back", "http://admin.test/", "http://admin.test/backup", "http://admin.test:81/back", "/x", "http://u@admin.test/back", "%zz", "http://admin.test/back/../x"} {
		if resp, body := b.visit(shopURL + "/link?to=" + url.QueryEscape(to)); resp.StatusCode != 500 || !strings.Contains(body, "HandoverConfig.Sites") {
			t.Errorf("%s: %d %q", to, resp.StatusCode, body)
		}
	}
	if _, body := b.visit(shopURL + "/link?to=" + url.QueryEscape(shopURL+"/x?y")); body != shopURL+"/x?y" {
		t.Errorf("within the site: %q", body)
	}
	if _, err := p.shop.handover.Link(t.Context(), adminURL); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("outside of a request: %v", err)
	}
}

// Sites at any port are at that of the request.
func TestHandoverAtAnyPort(t *testing.T) {
	p := newPair(t, compat.HandoverConfig{Sites: []string{"http://shop.test:*", "http://admin.test:*/back"}})
	for _, port := range []string{":8081", ""} {
		b := p.hosts.surfer(t)
		shop, admin := "http://shop.test"+port, "http://admin.test"+port+"/back"
		b.visit(shop + "/login?user=ann")
		_, link := b.visit(shop + "/link?to=" + url.QueryEscape(admin+"/x"))
		way, _, body := b.follow(link)
		if body != "ann at /back/x" || len(way) != 4 {
			t.Errorf("%s: %q at the end of %q", port, body, way)
		}
		for _, u := range way {
			if !strings.HasPrefix(u, admin+"/") && !strings.HasPrefix(u, shop+"/") {
				t.Errorf("%s: on the way to %s", port, u)
			}
		}
		if resp, body := b.visit(shop + "/link?to=" + url.QueryEscape("http://admin.test:82/back/x")); resp.StatusCode != 500 {
			t.Errorf("%s: to another port: %q", port, body)
		}
		_, body = b.visit(shop + "/sites")
		if body != admin+" "+shop {
			t.Errorf("%s: the sites are %q", port, body)
		}
	}
	if _, err := p.shop.handover.Sites(t.Context()); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("outside of a request: %v", err)
	}
}

func TestHandoverSettings(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{SameSite: http.SameSiteStrictMode})
	_, err := compat.NewHandover(st.sessions, compat.HandoverConfig{Sites: []string{"shop.test", "http://a/?q", "http://a/%2F", "http://a:8:*"}, CurrentKey: []byte("short"), Lifetime: time.Hour, Param: "a b"})
	for _, want := range []string{"Lifetime 1h0m0s", `Param "a b"`, `"shop.test" must begin with http`, `"http://a/?q" must have nothing but`, `"http://a/%2F" has a path with`, `"http://a:8:*" has two ports`, "key 1 of 1 has 5 bytes", "SameSite Strict"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s: %v", want, err)
		}
	}
	if strings.Contains(fmt.Sprint(err), "short") {
		t.Error("the key is in the error")
	}
	only := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByQuery}})
	if _, err := compat.NewHandover(only.sessions, compat.HandoverConfig{Sites: []string{shopURL}, CurrentKey: testKey}); err == nil || !strings.Contains(err.Error(), "by cookie") || !strings.Contains(err.Error(), "1 are not enough") {
		t.Errorf("without cookies: %v", err)
	}
}

// TestHandoverOfAnIDFromTheURL: who has planted an id gets no cookie made of it by way of another site.
func TestHandoverOfAnIDFromTheURL(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: []compat.Carrier{compat.ByCookie, compat.ByQuery}})
	var told []compat.HandoverOutcome
	h, err := compat.NewHandover(st.sessions, compat.HandoverConfig{Sites: []string{shopURL, adminURL}, CurrentKey: testKey,
		Listen: func(_ context.Context, e compat.HandoverEvent) { told = append(told, e.Outcome) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close(context.Background()) }()
	encode := base64.RawURLEncoding.EncodeToString
	id, page := st.seed(), adminURL+"/page"
	give := "handover=give." + encode(make([]byte, 32)) + "." + encode([]byte(page))
	for _, tt := range []struct {
		url, cookie string
		ticket      bool
	}{
		{shopURL + "/?" + give, id, true},
		{shopURL + "/?sid=" + id + "&" + give, id, true},
		{shopURL + "/?sid=" + id + "&" + give, "", false},
	} {
		r, w := httptest.NewRequest("GET", tt.url, nil), httptest.NewRecorder()
		r.RequestURI = r.URL.RequestURI()
		if tt.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "sid", Value: tt.cookie})
		}
		h.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
		to := w.Header().Get("Location")
		if strings.Contains(to, "ticket.") != tt.ticket || !tt.ticket && to != page {
			t.Errorf("cookie %t: leads to %q", tt.cookie != "", to)
		}
	}
	if want := []compat.HandoverOutcome{compat.HandoverIssued, compat.HandoverIssued, compat.HandoverNoSession}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
}
