package myghty

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// An option means the same under each of its names.
func TestOptionNames(t *testing.T) {
	for _, name := range []string{"timeout", "session_timeout", "session.timeout", "beaker.session.timeout"} {
		s, err := Options{name: 60}.Settings(core.Config{})
		if err != nil || s.Manager.IdleTimeout != time.Minute {
			t.Errorf("%s: %v, %v", name, s.Manager.IdleTimeout, err)
		}
	}
}

func TestOptionValues(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value any
		want  any // nil if it is refused
	}{
		{"timeout", 60, time.Minute},
		{"timeout", int64(60), time.Minute},
		{"timeout", 1.5, 1500 * time.Millisecond},
		{"timeout", "90", 90 * time.Second},
		{"timeout", time.Hour, time.Hour},
		{"timeout", nil, time.Duration(0)},
		{"timeout", "None", time.Duration(0)},
		{"timeout", 0, nil},
		{"timeout", -1, nil},
		{"timeout", "soon", nil},
		{"timeout", 1e300, nil},
		{"timeout", true, nil},
		{"auto", true, true},
		{"auto", "on", true},
		{"auto", "False", false},
		{"auto", 1, true},
		{"auto", 2, nil},
		{"auto", "maybe", nil},
		{"auto", nil, nil},
		{"cookie_expires", true, time.Duration(0)},
		{"cookie_expires", "true", time.Duration(0)},
		{"cookie_expires", false, forever},
		{"cookie_expires", 3600, time.Hour},
		{"cookie_expires", 24 * time.Hour, 24 * time.Hour},
		{"cookie_expires", time.Now(), nil},
		{"cookie_expires", -5, nil},
		{"cookie_expires", nil, nil},
		{"secure", nil, compat.SecureAuto},
		{"secure", true, compat.SecureOn},
		{"secure", "false", compat.SecureOff},
		{"samesite", "strict", http.SameSiteStrictMode},
		{"samesite", nil, http.SameSiteLaxMode},
		{"samesite", "sometimes", nil},
		{"samesite", 5, nil},
		{"data_serializer", "json", "json"},
		{"data_serializer", "pickle", nil},
		{"data_serializer", "xml", nil},
		{"type", "ext:redis", "ext:redis"},
		{"type", "cookie", nil},
		{"type", "ext:database", nil},
		{"type", 5, nil},
		{"legacy_signatures", "myghty, beaker", nil}, // read, and then without a secret
		{"legacy_signatures", "md5", nil},
		{"old_secrets", 5, nil},
		{"key", 5, nil},
	} {
		read, err := Options{tt.name: tt.value}.read()
		if tt.want == nil {
			if err == nil {
				_, err = Options{tt.name: tt.value}.Settings(core.Config{})
			}
			if err == nil || !strings.Contains(err.Error(), tt.name) {
				t.Errorf("%s=%#v: the error %v does not name it", tt.name, tt.value, err)
			}
			continue
		}
		if err != nil || read[tt.name] != tt.want {
			t.Errorf("%s=%#v: %#v, %v; want %#v", tt.name, tt.value, read[tt.name], err, tt.want)
		}
	}
}

// Unknown and refused options are named, all of them at once, and no value is shown.
func TestBadOptions(t *testing.T) {
	const secret = "s3cr3t-value"
	_, err := Options{
		"session_frobnicate": 1, "log_file": "x", "encrypt_key": secret, "session_class": "x", "timeout": "soon",
		"session_key": "a", "key": "b", "secret": 7,
	}.Settings(core.Config{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"session_frobnicate", "log_file", "encrypt_key", "session_class", "timeout", "key is given twice", "secret"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Error("the error shows a secret")
	}
	for _, o := range []Options{
		{"id": "x"},
		{"timeout": 60, "save_accessed_time": false},
		{"old_secrets": "a"},
		{"legacy_signatures": "beaker"},
		{"secret": "a", "old_secrets": []string{""}},
		{"type": "file"},
		{"type": "dbm"},
		{"type": "ext:redis"},
		{"type": "ext:memcached"},
		{"type": "ext:redis", "url": "memcached://x"},
	} {
		if s, err := o.Settings(core.Config{}); err == nil {
			t.Errorf("%v: accepted as %+v", o, s)
		}
	}
	if _, err := (Options{"save_accessed_time": false}).Settings(core.Config{IdleTimeout: time.Hour}); err == nil {
		t.Error("a timeout that nobody keeps was accepted")
	}
}

func TestStoreURL(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{nil, "memory:"},
		{Options{"session_type": "memory", "data_dir": "/x"}, "memory:"},
		{Options{"session_data_dir": "/var/lib/app"}, "file:/var/lib/app"},
		{Options{"type": "file", "data_dir": "/a", "file_dir": "/b?%"}, "file:/b%3F%25"},
		{Options{"type": "dbm", "data_dir": "/a"}, "dbm:/a/sessions.dbm"},
		{Options{"type": "dbm", "dbm_dir": "/b"}, "dbm:/b/sessions.dbm"},
		{Options{"type": "ext:redis", "url": "redis://h:1/2"}, "redis://h:1/2"},
		{Options{"type": "ext:redis", "url": "rediss+sentinel://h/m"}, "rediss+sentinel://h/m"},
		{Options{"type": "ext:redis", "url": "localhost:6379"}, "redis://localhost:6379"},
		{Options{"type": "ext:memcached", "url": "a:11211;b:11211"}, "memcached://a:11211,b:11211"},
	} {
		s, err := tt.options.Settings(core.Config{})
		if err != nil || s.StoreURL != tt.want {
			t.Errorf("%v: %q, %v; want %q", tt.options, s.StoreURL, err, tt.want)
		}
	}
}

// A store that is not linked into the program is named by its import; the tests link the memory store only.
func TestOpenStore(t *testing.T) {
	store, err := OpenStore(t.Context(), "memory:")
	if err != nil {
		t.Fatal(err)
	}
	_ = store.Close()
	for url, want := range map[string]string{
		"dbm:/a/sessions.dbm": "core/dbmstore", "memcached://h": "core/memcachestore", "gopher://h": "gopher",
	} {
		_, err := OpenStore(context.Background(), url)
		if !errors.Is(err, core.ErrNotLinked) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want one that names %s", url, err, want)
		}
	}
}

func TestSettings(t *testing.T) {
	s, err := Options{
		"key": "k", "cookie_domain": "example.test", "cookie_path": "/a", "cookie_expires": 60, "secure": true, "httponly": false,
		"samesite": "None", "secret": "x", "old_secrets": "y z", "legacy_signatures": "beaker", "invalidate_corrupt": false,
		"data_serializer": "json", "timeout": nil,
	}.Settings(core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Sessions
	if c.Name != "k" || c.Domain != "example.test" || c.Path != "/a" || c.MaxAge != time.Minute || c.Secure != compat.SecureOn ||
		!c.ReadableByScripts || c.SameSite != http.SameSiteNoneMode || c.Codec == nil || !c.KeepName {
		t.Errorf("%+v", c)
	}
	m := s.Manager
	if m.IdleTimeout >= 0 || m.Corrupt != core.CorruptFail || m.Codec.Name() != "json" || !m.IDs.Valid(strings.Repeat("a", 32)) {
		t.Errorf("%+v", m)
	}
	base := core.Config{IdleTimeout: 5 * time.Minute, Corrupt: core.CorruptFail}
	if s, err := (Options{}).Settings(base); err != nil || s.Manager.IdleTimeout != base.IdleTimeout || s.Manager.Corrupt != base.Corrupt {
		t.Errorf("options that are not given change the manager: %+v, %v", s.Manager, err)
	}
}

// An application whose manager was built otherwise than its options say does not start.
func TestManagerFitsOptions(t *testing.T) {
	m := newManager(t, newMemory(t), core.Config{})
	_, err := NewApplication(m, Config{Options: Options{
		"timeout": 60, "invalidate_corrupt": false, "data_serializer": "json", "secret": "x", "legacy_signatures": "myghty",
	}})
	for _, want := range []string{"timeout", "invalidate_corrupt", "data_serializer", "legacy_signatures", "Options.Settings"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if _, err = NewApplication(m, Config{Options: Options{"save_accessed_time": false}}); err == nil {
		t.Error("save_accessed_time was forgotten")
	}
	for _, cfg := range []Config{
		{Prefix: "x"}, {Prefix: "/x/"}, {Options: Options{"samesite": "None"}}, {Options: Options{"key": "a b"}}, {Options: Options{"id": "x"}},
	} {
		if _, err := NewApplication(m, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	if _, err := NewApplication(nil, Config{}); err == nil {
		t.Error("a nil manager was accepted")
	}
}
