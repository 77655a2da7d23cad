package myghty

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// Settings are what options mean to the parts of Holdover.
type Settings struct {
	// StoreURL is for core.OpenStore.
	StoreURL string
	// Manager is for core.New.
	Manager core.Config
	// Sessions is what NewApplication builds the session cookie from, and the same for handlers that are no components.
	Sessions compat.SessionsConfig
}

// Settings reads the options. Manager is base with what the options say, as far as they are given. All mistakes are
// reported together. Build an application from it:
//
//	settings, err := options.Settings(core.Config{})
//	store, err := myghty.OpenStore(ctx, settings.StoreURL)
//	m, err := core.New("shop", store, settings.Manager)
//	app, err := myghty.NewApplication(m, myghty.Config{Options: options})
func (o Options) Settings(base core.Config) (Settings, error) {
	read, err := o.read()
	if err != nil {
		return Settings{}, err
	}
	opts := &options{read}
	url, urlErr := opts.storeURL()
	manager, managerErr := opts.managerConfig(base)
	sessions, sessionsErr := opts.sessionsConfig()
	if err := errors.Join(opts.check(), urlErr, managerErr, sessionsErr); err != nil {
		return Settings{}, err
	}
	return Settings{StoreURL: url, Manager: manager, Sessions: sessions}, nil
}

// check reports options that contradict each other, wherever the application's store comes from.
func (o *options) check() error {
	var errs []error
	bad := func(wrong bool, text string) {
		if wrong {
			errs = append(errs, errors.New("myghty: "+text))
		}
	}
	bad(o.text("id") != "", "the option id is for Request.GetSession; for a whole application it would be one session for everybody")
	bad(!o.bool("save_accessed_time") && o.duration("timeout") > 0, "the option timeout needs save_accessed_time: nobody would know when a session was used")
	signed := o.text("secret") != ""
	bad(!signed && len(o.texts("old_secrets")) > 0, "the option old_secrets needs secret")
	bad(!signed && len(o.texts("legacy_signatures")) > 0, "the option legacy_signatures needs secret")
	return errors.Join(errs...)
}

// storeURL returns the URL for core.OpenStore.
func (o *options) storeURL() (string, error) {
	kind, dir := o.text("type"), o.text("data_dir")
	if kind == "" {
		if kind = "memory"; dir != "" {
			kind = "file"
		}
	}
	path := strings.NewReplacer("%", "%25", "?", "%3F").Replace
	switch kind {
	case "file":
		if own := o.text("file_dir"); own != "" {
			dir = own
		}
		if dir == "" {
			return "", errors.New("myghty: the option type file needs data_dir, a folder")
		}
		return "file:" + path(dir), nil
	case "dbm":
		if own := o.text("dbm_dir"); own != "" {
			dir = own
		}
		if dir == "" {
			return "", errors.New("myghty: the option type dbm needs data_dir, a folder")
		}
		return "dbm:" + path(filepath.Join(dir, "sessions.dbm")), nil
	case "ext:memcached", "ext:redis":
		return o.serverURL(kind)
	}
	return "memory:", nil
}

// serverURL reads addresses as Beaker has them: a URL, or host:port, several with ; or , in between.
func (o *options) serverURL(kind string) (string, error) {
	url, scheme := o.text("url"), types[kind]
	if url == "" {
		return "", fmt.Errorf("myghty: the option type %s needs url, for example localhost:%s", kind, map[string]string{"redis": "6379", "memcached": "11211"}[scheme])
	}
	if own, _, ok := strings.Cut(url, "://"); ok {
		if own, _, _ = strings.Cut(own, "+"); own != scheme && own != scheme+"s" {
			return "", fmt.Errorf("myghty: the option url is not one of a %s server", scheme)
		}
		return url, nil
	}
	return scheme + "://" + strings.ReplaceAll(strings.ReplaceAll(url, " ", ""), ";", ","), nil
}

// neverTouch keeps the last access as it is.
const neverTouch = time.Duration(math.MaxInt64)

func (o *options) managerConfig(c core.Config) (core.Config, error) {
	if o.has("timeout") {
		if c.IdleTimeout = o.duration("timeout"); c.IdleTimeout == 0 {
			c.IdleTimeout = -1
		}
	}
	if !o.bool("save_accessed_time") {
		if c.IdleTimeout > 0 {
			return c, errors.New("myghty: the option save_accessed_time is false, but the manager has an IdleTimeout: nobody would know when a session was used")
		}
		c.IdleTimeout, c.TouchInterval = -1, neverTouch
	}
	if o.has("invalidate_corrupt") {
		c.Corrupt = core.CorruptFail
		if o.bool("invalidate_corrupt") {
			c.Corrupt = core.CorruptStartAnew
		}
	}
	if o.text("data_serializer") == "json" && c.Codec == nil {
		c.Codec = core.JSON()
	}
	if len(o.texts("legacy_signatures")) > 0 {
		c.IDs = LegacyIDs(c.IDs)
	}
	return c, nil
}

func (o *options) sessionsConfig() (compat.SessionsConfig, error) {
	c := compat.SessionsConfig{
		Name:              o.text("key"),
		KeepName:          true,
		Path:              o.text("cookie_path"),
		Domain:            o.text("cookie_domain"),
		Secure:            o.value("secure").(compat.SecureMode),
		ReadableByScripts: !o.bool("httponly"),
		SameSite:          o.value("samesite").(http.SameSite),
		MaxAge:            o.duration("cookie_expires"),
	}
	if secret := o.text("secret"); secret != "" {
		var legacy []LegacySignature
		for _, form := range o.texts("legacy_signatures") {
			legacy = append(legacy, LegacySignature(form))
		}
		signature, err := NewSignature(append([]string{secret}, o.texts("old_secrets")...), legacy...)
		if err != nil {
			return c, err
		}
		c.Codec = signature
	}
	return c, nil
}

// checkManager reports options that the manager was built without.
func (o *options) checkManager(m *core.Manager) error {
	var errs []error
	cfg := m.Config()
	built := func(as bool, name string) {
		if !as {
			errs = append(errs, fmt.Errorf("myghty: the manager was built without the option %s; build it from Options.Settings", name))
		}
	}
	if d := o.duration("timeout"); o.has("timeout") {
		built(max(cfg.IdleTimeout, 0) == d, "timeout")
	}
	built(o.bool("save_accessed_time") || cfg.IdleTimeout < 0 && cfg.TouchInterval == neverTouch, "save_accessed_time")
	if o.has("invalidate_corrupt") {
		built((cfg.Corrupt == core.CorruptStartAnew) == o.bool("invalidate_corrupt"), "invalidate_corrupt")
	}
	built(o.text("data_serializer") == "" || cfg.Codec.Name() == "json", "data_serializer")
	built(len(o.texts("legacy_signatures")) == 0 || m.ValidID(strings.Repeat("0", 32)), "legacy_signatures")
	return errors.Join(errs...)
}

// imports are the packages that register the stores.
var imports = map[string]string{
	"memory": "memstore", "file": "filestore", "redis": "redisstore", "dbm": "dbmstore", "memcached": "memcachestore",
}

// OpenStore is core.OpenStore. If the store is not linked into the program, the error names the package to import.
func OpenStore(ctx context.Context, url string) (core.Store, error) {
	store, err := core.OpenStore(ctx, url)
	if errors.Is(err, core.ErrNotLinked) {
		scheme, _, _ := strings.Cut(url, ":")
		scheme, _, _ = strings.Cut(scheme, "+")
		if scheme == "rediss" {
			scheme = "redis"
		}
		if name := imports[scheme]; name != "" {
			return nil, fmt.Errorf("myghty: add import _ %q to the program, where that store exists in this version: %w",
				"github.com/holdover-web/holdover/core/"+name, err)
		}
	}
	return store, err
}
