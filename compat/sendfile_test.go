package compat_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// fileListener notes what the connections that it accepts are asked to copy by themselves: their ReadFrom is where net
// hands a file to the operating system.
type fileListener struct {
	net.Listener
	files atomic.Int64 // how often it was a file, or a part of one
	other atomic.Int64
}

func (l *fileListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fileConn{conn.(*net.TCPConn), l}, nil
}

type fileConn struct {
	*net.TCPConn
	l *fileListener
}

// ReadFrom implements io.ReaderFrom.
func (c *fileConn) ReadFrom(src io.Reader) (int64, error) {
	under := src
	if limited, ok := src.(*io.LimitedReader); ok {
		under = limited.R
	}
	if _, ok := under.(*os.File); ok {
		c.l.files.Add(1)
	} else {
		c.l.other.Add(1)
	}
	return c.TCPConn.ReadFrom(src)
}

// TestSendfile has the operating system copy a file that an application returns, on a real connection, through all that
// may be around the application.
func TestSendfile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB, more than is held back for a retry
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	st := newSite(t, core.Config{}, compat.SessionsConfig{Carriers: everyWay})
	app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		_, err = start("200 OK", []compat.Header{{"Content-Type", "application/octet-stream"}, {"Content-Length", fmt.Sprint(len(content))}}, nil)
		return compat.File(f), err
	})
	var urlmap compat.URLMap
	if err := urlmap.Add("/", st.sessions.Wrap(app)); err != nil {
		t.Fatal(err)
	}
	cascade, err := compat.NewCascade(compat.CascadeConfig{}, &urlmap)
	if err != nil {
		t.Fatal(err)
	}
	handler := compat.Handler(app, compat.HandlerConfig{})
	e := echo.New()
	compat.EchoMount(e, "", cascade, compat.HandlerConfig{}, compat.Echo(st.sessions))
	for name, h := range map[string]http.Handler{
		"alone":            handler,
		"sessions around":  st.sessions.Middleware(handler),
		"Echo and cascade": e,
		"to be retried":    compat.Retry(compat.RetryConfig{})(st.sessions.Middleware(handler)),
	} {
		t.Run(name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := &fileListener{Listener: inner}
			srv := &http.Server{Handler: h}
			served := make(chan error)
			go func() { served <- srv.Serve(l) }()
			_, body := do(t, inner.Addr().String(), "GET", "/", "")
			if !bytes.Equal([]byte(body), content) {
				t.Errorf("the client has %d bytes, want %d", len(body), len(content))
			}
			if l.files.Load() == 0 || l.other.Load() > 0 {
				t.Errorf("the connection copied %d files, and %d times something else", l.files.Load(), l.other.Load())
			}
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
			<-served
		})
	}
}
