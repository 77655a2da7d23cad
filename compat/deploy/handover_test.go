package deploy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/deploy"
	"github.com/holdover-web/holdover/core"
)

// twoHosts is one application on two hosts, which hand its sessions over.
const twoHosts = `
[composite:main]
use = urlmap
domain shop.test / = shop
domain admin.test /back = admin
/ = alone
[app:shop]
use = links
manager = house
share = yes
handover = hosts
[app:admin]
use = app:shop
[app:alone]
use = links
cookie_name = alone
[handover:hosts]
sites = http://shop.test:* http://admin.test:*/back
key = ` + testKey + `
old_keys = fedcba9876543210fedcba9876543210, 0000000000000000000000000000000000000
lifetime = 10s
param = over
keep_existing = yes
[handover:old]
sites = https://a.org, https://b.org
key = ` + testKey + "\n" + stores

// links keeps a note in its session and answers with it; /link?to=URL answers with a link to another site.
func links(s *deploy.Section) (compat.Application, error) {
	if _, err := s.Sessions(core.Config{}, compat.SessionsConfig{}); err != nil {
		return nil, err
	}
	handover := s.Handover()
	return deploy.FromHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := func() (string, error) {
			if to := r.FormValue("to"); to != "" && handover != nil {
				return handover.Link(r.Context(), to)
			}
			session, err := compat.FromContext(r.Context())
			if err != nil {
				return "", err
			}
			if note := r.FormValue("note"); note != "" {
				if err := session.Set("note", note); err != nil {
					return "", err
				}
			}
			return core.Get[string](session, "note")
		}()
		if err != nil {
			http.Error(w, err.Error(), compat.StatusOf(err))
			return
		}
		_, _ = io.WriteString(w, answer)
	})), nil
}

// browse returns a client that finds the hosts of a test on a server, and what it takes to reach them.
func browse(t *testing.T, h http.Handler) (get func(url string) (status int, location, body string), port string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{
		Jar:     jar,
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(u string) (int, string, string) {
		t.Helper()
		res, err := c.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Location"), string(text)
	}, addr[strings.LastIndexByte(addr, ':'):]
}

// Two hosts of one file hand a session over: the link of one leads to the other with the session, and once.
func TestHandover(t *testing.T) {
	l := loader(t)
	l.App("links", links)
	live, err := deploy.NewLive(t.Context(), l, deploy.FromText("test", twoHosts), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close(t.Context())
	get, port := browse(t, live)
	shop, admin := "http://shop.test"+port, "http://admin.test"+port+"/back"
	get(shop + "/?note=tea")
	if _, _, note := get(admin + "/"); note != "" {
		t.Errorf("without the link: %q", note)
	}
	_, _, link := get(shop + "/?to=" + url.QueryEscape(admin+"/x"))
	if !strings.HasPrefix(link, admin+"/x?over=") {
		t.Fatalf("the link is %q", link)
	}
	var way []string
	for u := link; u != ""; {
		way = append(way, u)
		_, u, _ = get(u)
		if len(way) == 2 { // a reload on the way makes no difference
			if err := live.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, note := get(admin + "/x"); note != "tea" || len(way) != 4 || !strings.Contains(way[2], "over=ticket.") {
		t.Errorf("%q after %q", note, way)
	}
	if status, to, _ := get(way[2]); status != http.StatusSeeOther || to != admin+"/x" {
		t.Errorf("the ticket again: %d to %q", status, to)
	}

	apps := live.Site().Apps()
	for _, a := range apps {
		if (a.Handover != nil) != (a.Name == "shop" || a.Name == "admin") {
			t.Errorf("%s: Handover %v", a.Name, a.Handover)
		}
	}
	var table strings.Builder
	if err := live.Site().WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  handover             [handover:hosts]\n", "\n[handover:hosts]\n", "sites                http://shop.test:*, http://admin.test:*/back\n",
		"lifetime             10s\n", "param                over\n", "keep_existing        yes\n", "\n[handover:old] is named by no application\n"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, &table)
		}
	}
	for _, secret := range []string{testKey, "fedcba", "000000"} {
		if strings.Contains(table.String(), secret) {
			t.Errorf("a key is in\n%s", &table)
		}
	}
}

// A key that was the current one is still good when it is among the old ones, and not afterwards.
func TestHandoverKeys(t *testing.T) {
	l := loader(t)
	l.App("links", links)
	file := write(t, twoHosts)
	live, err := deploy.NewLive(t.Context(), l, deploy.FromFile(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close(t.Context())
	get, port := browse(t, live)
	shop, admin := "http://shop.test"+port, "http://admin.test"+port+"/back"
	ticket := func() string {
		get(shop + "/?note=tea")
		_, _, u := get(shop + "/?to=" + url.QueryEscape(admin+"/x"))
		_, u, _ = get(u)
		_, u, _ = get(u)
		return u
	}
	const key = "another-key-of-more-than-32-characters"
	for _, tt := range []struct {
		name, keys string
		want       string
	}{
		{"forgotten", "key = " + key, ""},
		{"old", "key = " + testKey + "\nold_keys = " + key, "tea"},
	} {
		u := ticket()
		change(t, file, strings.Replace(twoHosts, "key = "+testKey+"\nold_keys = fedcba9876543210fedcba9876543210, 0000000000000000000000000000000000000", tt.keys, 1))
		if err := live.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		get(u)
		if _, _, note := get(admin + "/x"); note != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, note, tt.want)
		}
	}
}
