package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
)

// Live serves a configuration and takes up its changes without dropping a request. It is an http.Handler. Its methods
// may be called from several goroutines.
type Live struct {
	loader *Loader
	src    Source
	build  func(*Site) (http.Handler, error)
	pool   *storePool
	log    *slog.Logger

	reloading sync.Mutex // held by a reload; guards the two following fields
	closed    bool
	old       sync.WaitGroup // generations that still have requests

	mu  sync.RWMutex // guards the following field
	now *generation

	closeMu   sync.Mutex // guards the following field
	closeErrs []error    // of old generations
}

// generation is one loaded configuration.
type generation struct {
	site     *Site
	handler  http.Handler
	requests sync.WaitGroup
}

// NewLive loads a configuration. build makes the handler of the whole program for it, and for each one that is loaded
// later; nil: the site itself. The caller closes it when the server has stopped. Errors: those of Loader.Load and of build.
func NewLive(ctx context.Context, l *Loader, src Source, build func(*Site) (http.Handler, error)) (*Live, error) {
	if build == nil {
		build = func(s *Site) (http.Handler, error) { return s, nil }
	}
	v := &Live{loader: l, src: src, build: build, pool: newStorePool(l), log: l.log()}
	g, err := v.load(ctx)
	if err != nil {
		return nil, err
	}
	v.now = g
	return v, nil
}

func (v *Live) load(ctx context.Context) (*generation, error) {
	site, err := v.loader.load(ctx, v.src, v.pool)
	if err != nil {
		return nil, err
	}
	h, err := v.build(site)
	if err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, site.Close(closing))
	}
	return &generation{site: site, handler: h}, nil
}

// Site returns the site that serves now. A reload closes it when its requests have ended.
func (v *Live) Site() *Site {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.now.site
}

// ServeHTTP serves a request from the configuration that holds when it comes in, to its end.
func (v *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.RLock()
	g := v.now
	g.requests.Add(1)
	v.mu.RUnlock()
	defer g.requests.Done()
	g.handler.ServeHTTP(w, r)
}

// Reload reads the configuration again. If it is valid, requests that come from now on are served from it, while
// those under way end as they began; then the old managers close, and the stores that the new configuration does not
// have. If it is not, everything stays as it is, and the error is that of Loader.Load or of build.
//
// What [server:main] says is for the next start of the program; a change is logged.
func (v *Live) Reload(ctx context.Context) error {
	v.reloading.Lock()
	defer v.reloading.Unlock()
	if v.closed {
		return errors.New("deploy: Live is closed")
	}
	g, err := v.load(ctx)
	if err != nil {
		return err
	}
	v.mu.Lock()
	old := v.now
	v.now = g
	v.mu.Unlock()
	if g.site.server != old.site.server {
		v.log.WarnContext(ctx, "the section [server:main] has changed; that holds from the next start")
	}
	v.old.Go(func() { // ends with the requests of the old generation
		old.requests.Wait()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err := old.site.Close(closing); err != nil {
			v.log.Error("closing the configuration that was replaced", "error", err)
			v.closeMu.Lock()
			defer v.closeMu.Unlock()
			v.closeErrs = append(v.closeErrs, err)
		}
	})
	return nil
}

// ReloadOn reloads with each signal until ctx ends, and logs what came of it: all mistakes of a file that was not taken,
// for example. It is for os/signal.Notify with SIGHUP.
func (v *Live) ReloadOn(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}
		err := v.Reload(ctx)
		mistakes, many := errors.AsType[Mistakes](err)
		switch {
		case err == nil:
			v.log.InfoContext(ctx, "the configuration was read again and is in use", "file", v.src.name)
		case many:
			for _, m := range mistakes {
				v.log.ErrorContext(ctx, m.String())
			}
			v.log.ErrorContext(ctx, "the configuration was read again and has mistakes; the one before stays in use",
				"file", v.src.name, "mistakes", len(mistakes))
		default:
			v.log.ErrorContext(ctx, "the configuration was read again and can not be used; the one before stays in use",
				"file", v.src.name, "error", err)
		}
	}
}

// Close waits for the requests under way, those of earlier configurations included, and closes all managers and
// stores. When ctx ends first it closes what it can, and the error says so. A later call does nothing.
func (v *Live) Close(ctx context.Context) error {
	v.reloading.Lock()
	defer v.reloading.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	v.mu.RLock()
	g := v.now
	v.mu.RUnlock()
	ended := make(chan struct{})
	go func() { // ends with the last request
		defer close(ended)
		g.requests.Wait()
		v.old.Wait()
	}()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = fmt.Errorf("deploy: requests are still under way: %w", ctx.Err())
	}
	v.closeMu.Lock()
	errs := append(v.closeErrs, err)
	v.closeMu.Unlock()
	return errors.Join(append(errs, g.site.Close(ctx))...)
}
