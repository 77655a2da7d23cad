package compat_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/internal/testenv"
)

// xmlCall is a call of XML-RPC whose arguments are strings and ints.
type xmlCall struct {
	Method string `xml:"methodName"`
	Params []struct {
		String string `xml:"string"`
		Int    int    `xml:"int"`
	} `xml:"params>param>value"`
}

// basket is an XML-RPC service whose calls have the session's id as their first argument.
type basket struct{ sessions *compat.Sessions }

// Call is its application.
func (b basket) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	var call xmlCall
	if err := xml.NewDecoder(env.Input()).Decode(&call); err != nil {
		return nil, err
	}
	answer, err := b.do(env, &call)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("<?xml version='1.0'?><methodResponse>")
	if err != nil {
		out.WriteString("<fault><value><struct><member><name>faultCode</name><value><int>401</int></value></member>" +
			"<member><name>faultString</name><value><string>log in first</string></value></member></struct></value></fault>")
	} else {
		out.WriteString("<params><param><value>" + answer + "</value></param></params>")
	}
	out.WriteString("</methodResponse>")
	_, err = start("200 OK", []compat.Header{{Name: "Content-Type", Value: "text/xml"}}, nil)
	return compat.Bytes(out.Bytes()), err
}

func (b basket) do(env *compat.Environ, call *xmlCall) (answer string, err error) {
	ctx := env.Context()
	if call.Method == "login" {
		s, err := b.sessions.CreateID(ctx)
		if err != nil {
			return "", err
		}
		return "<string>" + s.ID() + "</string>", s.Set("n", 0)
	}
	s, err := b.sessions.OpenID(ctx, call.Params[0].String, core.Serialized)
	if err != nil {
		return "", err
	}
	switch call.Method {
	case "add":
		n, err := core.Get[int](s, "n")
		if err != nil {
			return "", err
		}
		n += call.Params[1].Int
		return fmt.Sprintf("<int>%d</int>", n), s.Set("n", n)
	case "renew":
		err := s.Rotate(ctx, 0)
		return "<string>" + s.ID() + "</string>", err
	case "logout":
		return "<boolean>1</boolean>", s.Invalidate(ctx)
	}
	return "", errors.New("no such method")
}

// TestXMLRPC calls the service as Python does.
func TestXMLRPC(t *testing.T) {
	python := testenv.Tool(t, "python3")
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	var statuses []string
	h := st.sessions.Middleware(compat.Handler(basket{st.sessions}, compat.HandlerConfig{Logger: st.logger()}))
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		statuses = append(statuses, strings.Join(w.Header()["Set-Cookie"], ""))
	}))
	script := `
import sys, xmlrpc.client
p = xmlrpc.client.ServerProxy("http://%s/")
sid, other = p.login(), p.login()
print(p.add(sid, 2), p.add(other, 40), p.add(sid, 3), sid != other)
new = p.renew(sid)
def refused(call, *args):
    try:
        call(*args)
    except xmlrpc.client.Fault as f:
        return f.faultCode
print(refused(p.add, sid, 1), p.add(new, 1), p.logout(new), refused(p.add, new, 1), refused(p.add, "../x", 1))
`
	cmd := exec.CommandContext(t.Context(), python, "-c", fmt.Sprintf(script, addr))
	out, err := cmd.CombinedOutput()
	if want := "2 40 5 True\n401 6 True 401 401\n"; err != nil || string(out) != want {
		t.Errorf("got %s, %v, want %s; log %s", out, err, want, st.log)
	}
	if all := strings.Join(statuses, ""); all != "" {
		t.Errorf("cookies: %s", all)
	}
	if n := st.count(); n != 1 {
		t.Errorf("%d sessions are left, want that of the other", n)
	}
}

// TestOpenIDBelongsToTheRequest: it is rolled back with it, and committed before the answer leaves.
func TestOpenIDBelongsToTheRequest(t *testing.T) {
	st := newSite(t, core.Config{}, compat.SessionsConfig{})
	one, two := st.seed(), st.seed()
	boom := errors.New("boom")
	for _, fails := range []bool{true, false} {
		app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			for _, id := range []string{one, two, one} {
				s, err := st.sessions.OpenID(env.Context(), id)
				if err != nil {
					return nil, err
				}
				n, err := core.Get[int](s, "n")
				if err != nil {
					return nil, err
				}
				if err := s.Set("n", n+1); err != nil {
					return nil, err
				}
			}
			if fails {
				return nil, boom
			}
			_, err := start("200 OK", plain, nil)
			return compat.Text("done"), err
		})
		resp, _ := do(t, start(t, st.sessions.Middleware(compat.Handler(app, compat.HandlerConfig{}))), "GET", "/", "")
		wantNoCookie(t, resp)
		want := [2]int{3, 2}
		if fails {
			want = [2]int{1, 1}
		}
		if got := [2]int{st.n(one), st.n(two)}; got != want {
			t.Errorf("fails %v: n = %v, want %v", fails, got, want)
		}
	}
	if _, err := st.sessions.OpenID(t.Context(), one); !errors.Is(err, compat.ErrNoSessions) {
		t.Errorf("outside of a request: %v", err)
	}
	st.store.breakOn("Load", io.ErrUnexpectedEOF)
	st.sessions.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var serr *compat.SessionError
		if _, err := st.sessions.OpenID(r.Context(), one); !errors.As(err, &serr) || strings.Contains(err.Error(), one) {
			t.Errorf("the store fails: %v", err)
		}
	})).ServeHTTP(&nullWriter{h: http.Header{}}, get("/"))
}
