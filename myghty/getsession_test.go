package myghty

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestGetSessionParams(t *testing.T) {
	app := Options{"timeout": 3600, "key": "sid"}
	for _, tt := range []struct {
		name          string
		first, second Options
		want          []string // named by the error; none if there is none
	}{
		{"none", nil, nil, nil},
		{"the application's own", Options{"session_timeout": 3600, "session.key": "sid", "auto": "false"}, Options{"timeout": "3600"}, nil},
		{"auto, by both", Options{"auto": true}, Options{"session_auto": 1}, nil},
		{"auto, by the first alone", Options{"auto": true}, nil, nil},
		{"auto, by the second alone", nil, Options{"auto": true}, []string{"auto"}},
		{"auto, not any more", Options{"auto": true}, Options{"auto": false}, []string{"auto"}},
		{"an id, by the second alone", nil, Options{"id": strings.Repeat("A", 30)}, []string{"id"}},
		{"another key", Options{"key": "other"}, nil, []string{"key"}},
		{"another key, later", nil, Options{"key": "other"}, []string{"key"}},
		{"all at once", Options{"key": "other", "timeout": 60, "type": "memory"}, nil, []string{"key", "timeout", "type"}},
		{"unknown", Options{"session_color": "red"}, nil, []string{"session_color"}},
		{"refused, later", nil, Options{"lock_dir": "/x"}, []string{"lock_dir"}},
		{"secret", Options{"secret": "hush"}, nil, []string{"secret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan error, 1)
			a := newTestApp(t, Config{Options: app}, core.Config{}, pages{"/": func(m *Request) error {
				one, err := m.GetSession(tt.first)
				if err != nil {
					got <- err
					return nil
				}
				two, err := m.GetSession(tt.second)
				if err == nil && one != two {
					err = errors.New("two sessions")
				}
				got <- err
				return nil
			}})
			a.browser().get("/")
			err := receive(t, got)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), "option "+want) && !strings.Contains(err.Error(), fmt.Sprintf("%q", want)) {
					t.Errorf("%q does not name %s", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Error("the error shows a secret")
			}
		})
	}
}

// After a first call that failed the next one is the first.
func TestGetSessionAfterAMistake(t *testing.T) {
	a := newTestApp(t, Config{}, core.Config{}, pages{"/": func(m *Request) error {
		if _, err := m.GetSession(Options{"auto": true, "key": "x"}); err == nil {
			return errors.New("accepted")
		}
		s, err := m.GetSession(nil)
		if err != nil {
			return err
		}
		return s.Set("a", 1) // and auto did not stick
	}, "/show": show})
	b := a.browser()
	b.want("/", http.StatusOK, "")
	if n := a.sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// An id that is given goes before the cookie's, and is adopted by no means.
func TestGivenID(t *testing.T) {
	for _, cookies := range []bool{true, false} {
		t.Run(fmt.Sprint("use_cookies ", cookies), func(t *testing.T) {
			byID := func(m *Request) error {
				s, err := m.GetSession(Options{"id": m.Arg("id"), "use_cookies": cookies})
				if errors.Is(err, core.ErrBadID) {
					m.Writef("bad")
					return nil
				}
				if err != nil {
					return err
				}
				v, err := s.Get("user", "nobody")
				m.Writef("%v %v %v", v, s.IsNew(), s.WasInvalidated())
				return err
			}
			login := with(func(m *Request, s *Session) (any, error) {
				return s.ID(), errors.Join(s.Set("user", m.Arg("user")), s.Save())
			})
			a := newTestApp(t, Config{Options: Options{"use_cookies": cookies}}, core.Config{}, pages{
				"/login": func(m *Request) error {
					if !cookies {
						if _, err := m.GetSession(Options{"id": ""}); err != nil {
							return err
						}
					}
					return login(m)
				},
				"/by": byID,
				"/end": func(m *Request) error {
					s, err := m.GetSession(Options{"id": m.Arg("id")})
					if err != nil {
						return err
					}
					if err := s.Invalidate(); err != nil {
						return err
					}
					m.Writef("%d", s.Len())
					return nil
				},
			})
			b := a.browser()
			r := b.get("/login?user=ada")
			if got := r.Header.Get("Set-Cookie"); (got != "") != cookies {
				t.Errorf("Set-Cookie %q", got)
			}
			other := a.browser()
			other.get("/login?user=grace")
			other.want("/by?id="+r.body, http.StatusOK, "ada false false")
			unknown := a.Manager().Config().IDs.New()
			other.want("/by?id="+unknown, http.StatusOK, "nobody true true")
			bad := "nobody true"
			if cookies {
				bad = "bad"
			}
			other.want("/by?id=../../etc/passwd", http.StatusOK, bad)
			other.want("/end?id="+r.body, http.StatusOK, "0")
			other.want("/by?id="+r.body, http.StatusOK, "nobody true true")
			if n := a.sessions(); n != 1 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}
