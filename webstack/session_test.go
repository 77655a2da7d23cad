package webstack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestGetSessionCreate(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{
		"get": getting("a"), "set": setting("a", "tea"),
		"ask": func(t *Transaction) error { _, err := t.GetSession(true); return err },
		"same": func(t *Transaction) error {
			one, err := t.GetSession(true)
			if err != nil {
				return err
			}
			two, err := t.GetSession(false)
			if err != nil {
				return err
			}
			return write(t, fmt.Sprint(one == two))
		},
	})
	b := a.browser()
	b.want("/get", 200, "none")
	for _, path := range []string{"/ask", "/same"} {
		if r := b.want(path, 200, ""); len(r.Cookies()) != 0 || a.sessions() != 0 {
			t.Errorf("%s: cookies %v and %d sessions for a session that nothing was put into", path, r.Cookies(), a.sessions())
		}
	}
	b.want("/same", 200, "true")
	r := b.want("/set", 200, "")
	if len(r.Cookies()) != 1 || r.Cookies()[0].Name != "SID" || !r.Cookies()[0].HttpOnly || r.Cookies()[0].Path != "/" {
		t.Errorf("cookies %v", r.Cookies())
	}
	b.want("/get", 200, "tea")
	b.want("/same", 200, "true")
	if r := b.want("/get", 200, "tea"); len(r.Cookies()) != 0 {
		t.Errorf("a cookie for nothing: %v", r.Cookies())
	}
}

func TestDefaultLockingIsSerialized(t *testing.T) {
	for _, tt := range []struct {
		base, want core.LockingPolicy
	}{{0, core.Serialized}, {core.Merge, core.Merge}, {core.Optimistic, core.Optimistic}} {
		cfg, err := Settings(nil).ManagerConfig(core.Config{Locking: tt.base})
		if err != nil || cfg.Locking != tt.want {
			t.Errorf("base %v: got %v, %v; want %v", tt.base, cfg.Locking, err, tt.want)
		}
	}
}

// TestDictionary goes through the methods of a dictionary.
func TestDictionary(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"x": func(tr *Transaction) error {
		s, err := tr.GetSession(true)
		if err != nil {
			return err
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		is := func(what string, got, want any) {
			t.Helper()
			if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
				t.Errorf("%s: got %#v, want %#v", what, got, want)
			}
		}
		missing := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, ErrKey) {
				t.Errorf("%s: error %v, want ErrKey", what, err)
			}
		}
		is("Len", s.Len(), 0)
		_, err = s.PopItem()
		missing("PopItem", err)
		_, err = s.Get("no")
		missing("Get", err)
		missing("Delete", s.Delete("no"))
		_, err = s.Pop("no")
		missing("Pop", err)
		_, err = Value[string](s, "no")
		missing("Value", err)

		must(s.Set("b", 2))
		must(s.Update(map[string]any{"a": "one", "c": nil}))
		is("Keys", s.Keys(), []string{"a", "b", "c"})
		is("HasKey", []bool{s.HasKey("c"), s.HasKey("no")}, []bool{true, false})
		v, err := s.Get("b")
		must(err)
		is("Get", v, 2)
		v, err = s.GetDefault("c", "otherwise")
		must(err)
		is("GetDefault of nil", v, nil)
		v, err = s.GetDefault("no", "otherwise")
		must(err)
		is("GetDefault", v, "otherwise")
		n, err := Value[int](s, "b")
		must(err)
		is("Value", n, 2)
		if _, err = Value[int](s, "a"); err == nil {
			t.Error("Value of the wrong type: no error")
		}
		values, err := s.Values()
		must(err)
		is("Values", values, []any{"one", 2, nil})
		items, err := s.Items()
		must(err)
		is("Items", items, []Item{{"a", "one"}, {"b", 2}, {"c", nil}})
		var seen []string
		for key, v := range s.All() {
			seen = append(seen, fmt.Sprint(key, "=", v))
			if key == "b" {
				break
			}
		}
		is("All", seen, []string{"a=one", "b=2"})
		v, err = s.SetDefault("a", "another")
		must(err)
		is("SetDefault", v, "one")
		v, err = s.SetDefault("d", "new")
		must(err)
		is("SetDefault of a new key", v, "new")
		v, err = s.Pop("d")
		must(err)
		is("Pop", v, "new")
		v, err = s.PopDefault("d", "otherwise")
		must(err)
		is("PopDefault", v, "otherwise")
		v, err = s.PopDefault("c", "otherwise")
		must(err)
		is("PopDefault of nil", v, nil)
		item, err := s.PopItem()
		must(err)
		is("PopItem", item, Item{"a", "one"})
		must(s.Delete("b"))
		is("Len after all", s.Len(), 0)
		must(s.Set("a", 1))
		must(s.Clear())
		is("Keys after Clear", s.Keys(), []string{})
		if err := s.Set("f", func() {}); err == nil {
			t.Error("a function was stored")
		}
		return s.Set("kept", "yes")
	}, "get": getting("kept")})
	b := a.browser()
	b.want("/x", 200, "")
	b.want("/get", 200, "yes")
}

// What is changed in place is remembered, which WebStack forgot.
func TestChangesInPlace(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{
		"begin": func(t *Transaction) error {
			s, err := t.GetSession(true)
			if err != nil {
				return err
			}
			return s.Update(map[string]any{"list": []string{"a"}, "mixed": []any{"a", 1}, "map": map[string]any{"n": 1}})
		},
		"change": func(t *Transaction) error {
			s, err := t.GetSession(true)
			if err != nil {
				return err
			}
			list, err := Value[*[]string](s, "list")
			if err != nil {
				return err
			}
			*list = append(*list, "b")
			mixed, err := Value[*[]any](s, "mixed")
			if err != nil {
				return err
			}
			*mixed = append(*mixed, "b")
			m, err := s.Get("map")
			if err != nil {
				return err
			}
			m.(map[string]any)["n"] = 2
			return nil
		},
		"show": func(t *Transaction) error {
			s, err := t.GetSession(false, core.ReadOnly)
			if err != nil {
				return err
			}
			items, err := s.Items()
			if err != nil {
				return err
			}
			return write(t, fmt.Sprint(items))
		},
	})
	b := a.browser()
	b.get("/begin")
	b.get("/change")
	b.want("/show", 200, "[{list [a b]} {map map[n:2]} {mixed [a 1 b]}]")
}

// A failed transaction leaves the session as it was, and the quirk restores what WebStack's own store did.
func TestFailureAndTheSession(t *testing.T) {
	half := func(t *Transaction) error {
		if err := setting("a", "half done")(t); err != nil {
			return err
		}
		if err := t.SetCookieValue("c", "v", "/", zeroTime); err != nil {
			return err
		}
		if err := write(t, "half a page"); err != nil {
			return err
		}
		return errWork
	}
	for _, tt := range []struct {
		name   string
		quirks Quirks
		want   string
	}{
		{"default", Quirks{}, "before"},
		{"quirk", Quirks{SaveOnError: true}, "half done"},
	} {
		for name, fail := range map[string]ResourceFunc{
			"error": half,
			"panic": func(t *Transaction) error { panic(half(t)) },
			"status": func(t *Transaction) error {
				return errors.Join(&StatusError{Code: 404}, half(t))
			},
			"panic with EndOfResponse": func(t *Transaction) error { panic(errors.Join(half(t), ErrEndOfResponse)) },
			"panic with EndOfResponse alone": func(t *Transaction) error {
				_ = half(t)
				panic(ErrEndOfResponse)
			},
			"error beside EndOfResponse": func(t *Transaction) error { return errors.Join(ErrEndOfResponse, half(t)) },
		} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				a := newTestApp(t, testConfig{Config: Config{Quirks: tt.quirks}},
					map[string]ResourceFunc{"set": setting("a", "before"), "get": getting("a"), "fail": fail})
				b := a.browser()
				b.get("/set")
				r := b.get("/fail")
				if want := map[bool]int{true: 404, false: 500}[name == "status"]; r.StatusCode != want {
					t.Errorf("status %d, want %d", r.StatusCode, want)
				}
				if strings.Contains(r.body, "half") || strings.Contains(r.body, errWork.Error()) || len(r.Cookies()) != 0 {
					t.Errorf("the page shows %q, cookies %v", r.body, r.Cookies())
				}
				b.want("/get", 200, tt.want)
			})
		}
		t.Run(tt.name+"/new session", func(t *testing.T) {
			a := newTestApp(t, testConfig{Config: Config{Quirks: tt.quirks}}, map[string]ResourceFunc{"get": getting("a"), "fail": half})
			b := a.browser()
			b.get("/fail")
			want := "none"
			if tt.quirks.SaveOnError {
				want = tt.want
			}
			b.want("/get", 200, want)
		})
	}
}

func TestEndOfResponse(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"get": getting("a"), "end": func(t *Transaction) error {
		if err := setting("a", "kept")(t); err != nil {
			return err
		}
		if err := write(t, "all of it"); err != nil {
			return err
		}
		return fmt.Errorf("deep down: %w", ErrEndOfResponse)
	}})
	b := a.browser()
	b.want("/end", 200, "all of it")
	b.want("/get", 200, "kept")
}

// Rollback takes everything back, and the transaction can go on.
func TestRollbackAndGoOn(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"set": setting("a", "before"), "get": getting("a"), "get b": getting("b"),
		"x": func(tr *Transaction) error {
			old, err := tr.GetSession(true)
			if err != nil {
				return err
			}
			err = errors.Join(old.Set("a", "dropped"), tr.SetContentType(ContentType{MediaType: "image/png"}), write(tr, "dropped"),
				tr.SetResponseCode(418), tr.SetHeaderValue("X-A", "dropped"), tr.Rollback())
			if err != nil {
				return err
			}
			s, err := tr.GetSession(true)
			if err != nil {
				return err
			}
			if !s.Core().Locked() {
				t.Error("the session is not locked after Rollback and GetSession")
			}
			if v, err := s.Get("a"); v != "before" || err != nil {
				t.Errorf("after Rollback: %v, %v", v, err)
			}
			if tr.GetResponseCode() != 0 {
				t.Errorf("code %d after Rollback", tr.GetResponseCode())
			}
			return errors.Join(s.Set("b", "kept"), write(tr, "kept"))
		}})
	b := a.browser()
	b.get("/set")
	r := b.want("/x", 200, "kept")
	if strings.Contains(r.body, "dropped") || r.Header.Get("X-A") != "" || r.Header.Get("Content-Type") != "text/html; charset=iso-8859-1" {
		t.Errorf("%q, %v", r.body, r.Header)
	}
	b.want("/get", 200, "before")
	b.want("/get%20b", 200, "kept")
}

func TestCommitEarly(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"get": getting("a"), "x": func(tr *Transaction) error {
		if err := errors.Join(setting("a", "first")(tr), write(tr, "one"), tr.Commit()); err != nil {
			return err
		}
		again, err := tr.GetSession(true)
		if err != nil || !again.Core().Locked() {
			t.Errorf("the session is not locked after Commit and GetSession: %v", err)
		}
		for name, err := range map[string]error{
			"SetHeaderValue": tr.SetHeaderValue("X-A", "late"), "SetResponseCode": tr.SetResponseCode(404),
			"SetContentType": tr.SetContentType(ContentType{MediaType: "text/plain"}), "SetCookieValue": tr.SetCookieValue("c", "v", "", zeroTime),
			"Redirect": tr.Redirect("/"), "Rollback": tr.Rollback(),
		} {
			if !errors.Is(err, ErrCommitted) {
				t.Errorf("%s after Commit: %v", name, err)
			}
		}
		s, err := tr.GetSession(true) // after Rollback
		if err != nil {
			return err
		}
		return errors.Join(write(tr, " two"), s.Set("a", "second"), tr.Commit())
	}, "empty": func(tr *Transaction) error {
		return errors.Join(setting("a", "stays")(tr), tr.Commit(), tr.Rollback(), errWork)
	}})
	b := a.browser()
	b.want("/x", 200, "one two")
	b.want("/get", 200, "second")
	b = a.browser()
	b.want("/empty", 500, "")
	b.want("/get", 200, "stays")
}

// A transaction whose page can not be written saves nothing, whenever it commits.
func TestCommitOfBrokenOutput(t *testing.T) {
	for name, text := range map[string]string{"not in the charset": "10 €", "half of a character": "a\xc3"} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"get": getting("a"), "set": setting("a", "before"),
				"x": func(tr *Transaction) error {
					_ = write(tr, text)
					err := errors.Join(setting("a", "half done")(tr), tr.Commit())
					if _, ok := errors.AsType[*CharsetError](err); !ok {
						t.Errorf("Commit: %v", err)
					}
					return nil
				}})
			b := a.browser()
			b.want("/set", 200, "")
			b.want("/x", 500, "")
			b.want("/get", 200, "before")
		})
	}
}

// Keys are strings, of any kind, and stay apart.
func TestKeys(t *testing.T) {
	keys := []string{"", " ", "a", "A", "ключ", "a\x00b", "\xff", "__new__", "../x", strings.Repeat("k", 300)}
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"set": func(t *Transaction) error {
		s, err := t.GetSession(true)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if err := s.Set(key, i); err != nil {
				return err
			}
		}
		return nil
	}, "get": func(tr *Transaction) error {
		s, err := tr.GetSession(false)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if n, err := Value[int](s, key); n != i || err != nil {
				t.Errorf("%q: %d, %v; want %d", key, n, err, i)
			}
		}
		if got := s.Keys(); !slices.IsSorted(got) || len(got) != len(keys) {
			t.Errorf("keys %q", got)
		}
		return nil
	}})
	b := a.browser()
	b.want("/set", 200, "")
	b.want("/get", 200, "")
}

func TestQuirksOfBackends(t *testing.T) {
	a := newTestApp(t, testConfig{Config: Config{Quirks: Quirks{AlwaysCreate: true, MissingIsNil: true}}}, map[string]ResourceFunc{
		"x": func(tr *Transaction) error {
			s, err := tr.GetSession(false)
			if err != nil || s == nil {
				return fmt.Errorf("no session: %w", err)
			}
			if v, err := s.Get("no"); v != nil || err != nil {
				t.Errorf("Get: %v, %v", v, err)
			}
			if v, err := Value[string](s, "no"); v != "" || err != nil {
				t.Errorf("Value: %v, %v", v, err)
			}
			if err := s.Delete("no"); !errors.Is(err, ErrKey) {
				t.Errorf("Delete: %v", err)
			}
			return nil
		}})
	b := a.browser()
	if r := b.want("/x", 200, ""); len(r.Cookies()) != 0 || a.sessions() != 0 {
		t.Error("an empty session was stored")
	}
}

func TestReadOnly(t *testing.T) {
	a := newTestApp(t, testConfig{}, map[string]ResourceFunc{"set": setting("a", "1"), "get": getting("a", core.ReadOnly),
		"refused": func(t *Transaction) error {
			s, err := t.GetSession(false, core.ReadOnly)
			if err != nil {
				return err
			}
			return s.Set("a", "2")
		},
		"later": func(tr *Transaction) error {
			s, err := tr.GetSession(false, core.ReadOnly)
			if err != nil {
				return err
			}
			if s.Core().Locked() {
				t.Error("a session for reading is locked")
			}
			w, err := tr.GetSession(true)
			if err != nil {
				return err
			}
			if w != s || !s.Core().Locked() {
				t.Error("asked for again, the session is another one, or not locked")
			}
			return w.Set("a", "3")
		}})
	b := a.browser()
	b.want("/get", 200, "none")
	b.get("/set")
	b.want("/refused", http.StatusInternalServerError, "")
	b.want("/get", 200, "1")
	b.want("/later", 200, "")
	b.want("/get", 200, "3")
}
