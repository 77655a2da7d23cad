package deploy

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// placeOf returns what a store's URL names, without what is secret: two URLs with one place mean the same sessions. A
// place in memory is that of its section.
func placeOf(section, raw string) string {
	scheme, rest, _ := strings.Cut(raw, ":")
	switch {
	case scheme == "memory":
		return "memory: of [store:" + section + "]"
	case strings.HasPrefix(rest, "//") && scheme != "file":
		if _, path, _ := strings.Cut(rest[2:], "/"); strings.Contains(path, "@") {
			return scheme + ": of [store:" + section + "]" // what stands where may be a part of the password
		}
		return networkPlace(scheme, rest[2:])
	}
	path, _, _ := strings.Cut(rest, "?")
	if p, ok := strings.CutPrefix(path, "//"); ok {
		path = p
	}
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return scheme + ":" + realPath(path)
}

// realPath resolves symbolic links as far as the path exists.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(realPath(parent), filepath.Base(path))
}

// networkPlace is the place of a store on servers. Users, passwords and most settings make no difference, TLS neither.
func networkPlace(scheme, rest string) string {
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, path := rest[:end], rest[end:]
	hosts := strings.Split(authority[strings.LastIndexByte(authority, '@')+1:], ",")
	port := "6379"
	if strings.Contains(scheme, "sentinel") {
		port = "26379"
	}
	for i, host := range hosts {
		host = strings.ToLower(host)
		if !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
			host += ":" + port
		}
		if h, ok := strings.CutPrefix(host, "localhost:"); ok {
			host = "127.0.0.1:" + h
		}
		hosts[i] = host
	}
	slices.Sort(hosts)
	path, query, _ := strings.Cut(path, "?")
	path = strings.Trim(path, "/")
	if path == "" {
		path = "0"
	}
	place := strings.Replace(scheme, "rediss", "redis", 1) + "://" + strings.Join(hosts, ",") + "/" + path
	if values, err := url.ParseQuery(query); err == nil && values.Get("prefix") != "" {
		place += "?prefix=" + values.Get("prefix")
	}
	return place
}

// pooled is a store that several sites may use, one after the other.
type pooled struct {
	place, url string
	store      core.Store
	users      int // guarded by storePool.mu
}

// storePool keeps stores open from one site to the next. Its methods may be called from several goroutines.
type storePool struct {
	open func(ctx context.Context, url string) (core.Store, error)

	mu     sync.Mutex
	stores []*pooled
}

func newStorePool(l *Loader) *storePool {
	open := l.OpenStore
	if open == nil {
		open = core.OpenStore
	}
	return &storePool{open: open}
}

// take returns the store at a place, opened with that very URL.
func (p *storePool) take(ctx context.Context, place, url string) (*pooled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.stores {
		if st.place == place && st.url == url {
			st.users++
			return st, nil
		}
	}
	store, err := p.open(ctx, url)
	if err != nil {
		return nil, err
	}
	st := &pooled{place, url, store, 1}
	p.stores = append(p.stores, st)
	return st, nil
}

// give gives a store back, and closes it after its last user.
func (p *storePool) give(st *pooled) error {
	p.mu.Lock()
	st.users--
	last := st.users == 0
	if last {
		p.stores = slices.DeleteFunc(p.stores, func(other *pooled) bool { return other == st })
	}
	p.mu.Unlock()
	if !last {
		return nil
	}
	return st.store.Close()
}

// open returns the store of a section. After a mistake it is one in memory, so that what needs it can be checked.
func (b *builder) open(section *section) (*pooled, error) {
	if st := b.stores[section.name]; st != nil {
		return st, nil
	}
	o := &options{m: b.m, doc: b.doc, at: section.at, local: section.values, asked: map[string]bool{}}
	u, ok := o.find("url")
	o.unknown()
	switch {
	case !ok:
		b.m.add(section.at, "url is missing: write url = memory:, file:DIR or redis://HOST/0")
	case !strings.Contains(u.text, ":"):
		b.m.add(u.at, "url: it has no scheme; write memory:, file:DIR or redis://HOST/0")
		ok = false
	}
	place := placeOf(section.name, u.text)
	for name, other := range b.stores {
		if other.place == place && other.url != u.text {
			b.m.add(u.at, "url: it names the same place as that of [store:%s], %s, with other settings; make both the same, or use one", name, place)
			b.stores[section.name] = other
			return other, nil
		}
	}
	var st *pooled
	var err error
	if ok {
		st, err = b.pool.take(b.ctx, place, u.text)
	}
	switch {
	case err != nil:
		b.m.add(u.at, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		fallthrough
	case !ok:
		st = &pooled{place: place, url: u.text, store: memstore.New(memstore.Config{})}
		b.site.closers = append(b.site.closers, func(context.Context) error { return st.store.Close() })
	default:
		b.site.closers = append(b.site.closers, func(context.Context) error { return b.pool.give(st) })
	}
	b.stores[section.name] = st
	return st, nil
}
