package compat_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
)

// spyFile counts what is done with a file.
type spyFile struct {
	*strings.Reader
	reads, closed int
}

func (f *spyFile) Read(p []byte) (int, error) { f.reads++; return f.Reader.Read(p) }
func (f *spyFile) Close() error               { f.closed++; return nil }

// WriteTo keeps io.Copy from going past Read.
func (f *spyFile) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{f}) }

func TestFileWrapper(t *testing.T) {
	for _, tt := range []struct {
		name, length, want string
		wrapped            bool // middleware hands the blocks on
	}{
		{"whole", "", "cdefgh", false},
		{"behind middleware", "", "cdefgh", true},
		{"as long as declared", "6", "cdefgh", false},
		{"range", "3", "cde", false},
		{"nothing of it", "0", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &spyFile{Reader: strings.NewReader("abcdefgh")}
			if _, err := f.Seek(2, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			rec, _ := serveApp(t, func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				headers := plain
				if tt.length != "" {
					headers = append(headers, compat.Header{"Content-Length", tt.length})
				}
				wrapper, _ := env.Get("wsgi.file_wrapper")
				b := wrapper.(compat.FileFunc)(f)
				if _, err := start("200 OK", headers, nil); err != nil || f.reads+f.closed > 0 {
					t.Errorf("%v, %d reads, closed %d times before the body was returned", err, f.reads, f.closed)
				}
				if tt.wrapped {
					return struct{ compat.Body }{b}, nil
				}
				return b, nil
			}, get("/"))
			if rec.Code != 200 || rec.Body.String() != tt.want || f.closed != 1 {
				t.Errorf("%d %q, closed %d times, want %q", rec.Code, rec.Body, f.closed, tt.want)
			}
		})
	}
}

// TestHeadReadsLittleOfAFile has headers as for GET.
func TestHeadReadsLittleOfAFile(t *testing.T) {
	f := &spyFile{Reader: strings.NewReader("<html>" + strings.Repeat("x", 1<<20))}
	ended := make(chan struct{})
	addr := start(t, compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		env.Response().AfterEnd(func() { close(ended) })
		_, err := start("200 OK", []compat.Header{{"Content-Length", fmt.Sprint(f.Size())}}, nil)
		return compat.File(f), err
	}), compat.HandlerConfig{}))
	resp, _ := do(t, addr, "HEAD", "/", "")
	<-ended
	if resp.ContentLength != f.Size() || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("headers %v", resp.Header)
	}
	if read := f.Size() - int64(f.Len()); read > 512 || f.closed != 1 {
		t.Errorf("%d bytes were read, closed %d times", read, f.closed)
	}
}

// TestFilesGoToTheServersReadFrom shows that the system may copy a file that an application returns.
func TestFilesGoToTheServersReadFrom(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	for length, want := range map[string]int{"": 5000, "4000": 4000} {
		app := compat.ApplicationFunc(func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			headers := plain
			if length != "" {
				headers = append(headers, compat.Header{"Content-Length", length})
			}
			_, err = start("200 OK", headers, nil)
			return compat.File(f), err
		})
		spy := &readFromSpy{ResponseRecorder: httptest.NewRecorder()}
		compat.Handler(app, compat.HandlerConfig{BufferSize: 1000}).ServeHTTP(spy, get("/"))
		if spy.src == nil || spy.Body.Len() != want {
			t.Errorf("length %q: the server's ReadFrom got %T, and the client %d bytes", length, spy.src, spy.Body.Len())
		}
		if length != "" && spy.left != int64(want) {
			t.Errorf("the server got the last %d bytes, want all", spy.left)
		}
	}
}
