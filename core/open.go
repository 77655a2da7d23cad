package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ErrNotLinked is matched by the error of OpenStore for a kind of store that no imported package has registered.
var ErrNotLinked = errors.New("no such store is linked in")

var stores = struct {
	sync.RWMutex
	open map[string]func(ctx context.Context, url string) (Store, error)
}{open: make(map[string]func(context.Context, string) (Store, error))}

// RegisterStore makes a kind of store known to OpenStore under a URL scheme. Store packages call it
// when they are initialised, so that a program can open the kinds that it imports. It panics if the
// scheme is registered already.
func RegisterStore(scheme string, open func(ctx context.Context, url string) (Store, error)) {
	stores.Lock()
	defer stores.Unlock()
	if _, ok := stores.open[scheme]; ok {
		panic("core: RegisterStore: the scheme " + scheme + " is registered already")
	}
	stores.open[scheme] = open
}

// OpenStore opens the store that a URL names, for example "memory:" or "file:/var/lib/app/sessions".
// The packages of the stores in question must be imported. The caller closes the store. OpenStore may
// be called from several goroutines.
func OpenStore(ctx context.Context, url string) (Store, error) {
	scheme, _, _ := strings.Cut(url, ":")
	if scheme == url || scheme == "" {
		return nil, fmt.Errorf("core: store %q has no scheme; write for example memory: or file:DIR", url)
	}
	stores.RLock()
	open := stores.open[scheme]
	known := slices.Sorted(maps.Keys(stores.open))
	stores.RUnlock()
	if open == nil {
		return nil, fmt.Errorf("core: no store for %s: %w (known: %s); import the package that registers it",
			scheme, ErrNotLinked, strings.Join(known, " "))
	}
	return open(ctx, url)
}
