// Package visitor is a browser without a window, for tests: it keeps cookies and does not follow redirects.
package visitor

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// patience bounds each request.
const patience = 20 * time.Second

// Visitor sends requests to one site. Its methods fail the test if there is no answer. They may be called from
// several goroutines, but not after the test has ended.
type Visitor struct {
	t    testing.TB
	base *url.URL
	http *http.Client
}

// Reply is what came back.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// New returns a visitor without cookies. site is the site's URL.
func New(t testing.TB, site string) *Visitor {
	t.Helper()
	base, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visitor{t: t, base: base, http: &http.Client{
		Jar:           jar,
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// dial finds all hosts below localhost on this machine, as browsers do and resolvers may not.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(addr); err == nil && strings.HasSuffix(host, ".localhost") {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// At returns the same visitor, cookies included, at another site.
func (v *Visitor) At(site string) *Visitor {
	other := New(v.t, site)
	other.http = v.http
	return other
}

// URL returns the address of the site that the visitor is at.
func (v *Visitor) URL() string { return v.base.String() }

// Get asks for a path, with its query.
func (v *Visitor) Get(path string) Reply {
	v.t.Helper()
	return v.must(v.Send(context.Background(), http.MethodGet, path, nil, nil))
}

// Post sends a form.
func (v *Visitor) Post(path string, form url.Values) Reply {
	v.t.Helper()
	return v.must(v.Send(context.Background(), http.MethodPost, path, form, nil))
}

func (v *Visitor) must(r Reply, err error) Reply {
	v.t.Helper()
	if err != nil {
		v.t.Errorf("no answer: %v", err)
	}
	return r
}

// Send sends any request. The error tells that there was no answer before ctx ended.
func (v *Visitor) Send(ctx context.Context, method, path string, form url.Values, header http.Header) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	target, err := v.base.Parse(path)
	if err != nil {
		return Reply{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return Reply{}, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := v.http.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Reply{resp.StatusCode, resp.Header, string(body)}, err
}

// Cookie returns the value of a cookie that the visitor sends to a path, or "".
func (v *Visitor) Cookie(path, name string) string {
	target, err := v.base.Parse(path)
	if err != nil {
		return ""
	}
	for _, c := range v.http.Jar.Cookies(target) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// SetCookie gives the visitor a cookie as somebody else might plant it.
func (v *Visitor) SetCookie(path, name, value string) {
	v.t.Helper()
	target, err := v.base.Parse(path)
	if err != nil {
		v.t.Fatal(err)
	}
	v.http.Jar.SetCookies(target, []*http.Cookie{{Name: name, Value: value, Path: path}})
}
