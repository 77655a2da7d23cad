package compat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// What PEP 3333 asks of a server, and the tests that watch over it:
//
//	the environ is the call's own, and may be changed      TestEnvironIsPrivateAndMutable, TestCascadeGivesEachItsOwnEnviron
//	CGI keys, absent ones left out, bytes as they came     TestEnviron, TestEnvironAbsentThings, TestEnvironOverTCP, TestSameEnvironAsPython
//	wsgi.* keys                                            TestEnviron, TestSameEnvironAsPython, TestURLsOverTCP
//	wsgi.input ends with the body; wsgi.errors             TestInput*, FuzzInput, TestErrorStream*, TestReplacedStreams
//	status and headers are checked, hop-by-hop refused     TestStartResponseRefuses, FuzzHeader, FuzzStatus
//	nothing is sent before the first block                 TestHeadersWaitForTheBody
//	a second start_response, exc_info                      TestApplicationResponses, TestExcInfoReplacesAll
//	start_response as late as the first block              TestApplicationResponses
//	each block leaves before the next; write() first       TestEachBlockLeavesBeforeTheNext, TestApplicationResponses
//	close() exactly once, in every ending                  TestCloseExactlyOnce, TestCloseInEveryEnding, TestClientHangsUp
//	Content-Length: never more; less ends the connection   TestContentLength, TestHeadAndBodiless
//	100-continue; failures are logged and answered by 500  TestEnvironOverTCP, TestExpectationIsTheServers, TestApplicationFailsHalfway
//	wsgi.file_wrapper, copied by the system                TestFileWrapper, TestSendfile, TestHeadReadsLittleOfAFile
//	sessions are a function over the environ               TestEnvironSession
//	URL reconstruction                                     TestURLs, TestURLsOverTCP, TestShiftPathInfo

// TestInputEndsWithTheBody reads in every way what a client sends, with more behind it on the same connection.
func TestInputEndsWithTheBody(t *testing.T) {
	readers := map[string]func(in *compat.Input) (string, error){
		"read()":      func(in *compat.Input) (string, error) { all, err := in.ReadAll(); return string(all), err },
		"read(n)":     readPieces,
		"readline()":  func(in *compat.Input) (string, error) { return readLines(in, 0) },
		"readline(n)": func(in *compat.Input) (string, error) { return readLines(in, 2) },
		"readlines()": func(in *compat.Input) (string, error) {
			lines, err := in.ReadLines(0)
			return string(bytes.Join(lines, nil)), err
		},
		"iteration": func(in *compat.Input) (all string, err error) {
			for line, lerr := range in.Lines() {
				all, err = all+string(line), lerr
			}
			return all, err
		},
	}
	const next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
	bodies := map[string]struct{ head, body, length string }{
		"Content-Length": {"Content-Length: 11\r\n", "one\ntwo\nend", "11"},
		"chunked":        {"Transfer-Encoding: chunked\r\n", "5\r\none\nt\r\n6\r\nwo\nend\r\n0\r\n\r\n", "none"},
		"empty":          {"Content-Length: 0\r\n", "", "0"},
		"no body":        {"", "", "none"},
	}
	for how, read := range readers {
		addr := start(t, compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			got, err := read(env.Input())
			if again, _ := env.Input().ReadAll(); len(again) > 0 {
				t.Errorf("%s: %q after the end", how, again)
			}
			length, ok := env.Get("CONTENT_LENGTH")
			if !ok {
				length = "none"
			}
			_, serr := start("200 OK", plain, nil)
			return compat.Text(fmt.Sprintf("%s%s, length %s", env.PathInfo(), got, length)), errors.Join(err, serr)
		}), compat.HandlerConfig{}))
		for what, b := range bodies {
			c := dial(t, addr)
			c.send("POST / HTTP/1.1\r\nHost: a\r\n" + b.head + "\r\n" + b.body + next)
			want := "/one\ntwo\nend, length " + b.length
			if b.body == "" {
				want = "/, length " + b.length
			}
			if _, got := c.response("POST"); got != want {
				t.Errorf("%s of %s: %q, want %q", how, what, got, want)
			}
			if _, got := c.response("GET"); got != "/next, length none" {
				t.Errorf("%s of %s: the next request gives %q", how, what, got)
			}
		}
	}
}

func readPieces(in *compat.Input) (string, error) {
	var all []byte
	piece := make([]byte, 3)
	for {
		n, err := in.Read(piece)
		all = append(all, piece[:n]...)
		if err == io.EOF {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
	}
}

func readLines(in *compat.Input, limit int) (all string, err error) {
	for {
		line, err := in.ReadLine(limit)
		if all += string(line); err == io.EOF {
			return all, nil
		}
		if err != nil || limit > 0 && len(line) > limit {
			return all, err
		}
	}
}

// TestInputOfAClientThatBreaksOff is an error, not an end: half a form must not look like a whole one.
func TestInputOfAClientThatBreaksOff(t *testing.T) {
	for _, head := range []string{"Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf"} {
		got := make(chan error, 2)
		addr := start(t, compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
			_, err := readLines(env.Input(), 0)
			got <- err
			_, err = env.Input().ReadAll()
			got <- err
			return nil, err
		}), compat.HandlerConfig{}))
		c := dial(t, addr)
		c.send("POST / HTTP/1.1\r\nHost: a\r\n" + head)
		c.Close()
		for range 2 {
			if err := <-got; err == nil || err == io.EOF {
				t.Errorf("%q: %v", head, err)
			}
		}
	}
}

// TestReplacedStreams shows that Input and Errors are what middleware has put into the environ.
func TestReplacedStreams(t *testing.T) {
	log := new(logBuffer)
	r := httptest.NewRequest("POST", "/", strings.NewReader("the client's"))
	withEnviron(t, r, func(env *compat.Environ) {
		first := env.Input()
		in := compat.NewInput(strings.NewReader("one\ntwo"))
		env.Set("wsgi.input", in)
		stream := compat.NewErrorStream(env.Context(), slog.New(slog.NewTextHandler(log, nil)))
		env.Set("wsgi.errors", stream)
		if v, _ := env.Get("wsgi.input"); v != in || env.Input() != in {
			t.Error("the input is another one")
		}
		if v, _ := env.Get("wsgi.errors"); v != stream || env.Errors() != stream {
			t.Error("the error stream is another one")
		}
		if got, err := readLines(env.Input(), 0); got != "one\ntwo" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		_, _ = env.Errors().WriteString("replaced\n")
		env.Delete("wsgi.input")
		if got, err := env.Input().ReadAll(); env.Input() != first || string(got) != "the client's" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
	if !strings.Contains(log.String(), "msg=replaced stream=wsgi.errors") {
		t.Errorf("log %s", log)
	}
	if got, err := compat.NewInput(nil).ReadAll(); len(got) > 0 || err != nil {
		t.Errorf("an input of nothing: %q, %v", got, err)
	}
}

func TestErrorStreamCutsBetweenCharacters(t *testing.T) {
	for _, ch := range []string{"é", "€", "🎉", "x", "\xff"} {
		log := new(logBuffer)
		stream := compat.NewErrorStream(t.Context(), slog.New(slog.NewJSONHandler(log, nil)))
		for offset := range 4 {
			_, _ = stream.WriteString(strings.Repeat("y", offset) + strings.Repeat(ch, 20_000) + "\n")
		}
		if got := strings.Count(log.String(), ch); ch != "\xff" && got != 80_000 {
			t.Errorf("%q: %d arrive whole, want 80000", ch, got)
		}
	}
}

// TestEachBlockLeavesBeforeTheNext has the application wait for the client between two blocks.
func TestEachBlockLeavesBeforeTheNext(t *testing.T) {
	seen := make(chan struct{})
	addr := start(t, compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", plain, nil)
		return body{func(yield func([]byte, error) bool) {
			if !yield([]byte("one\n"), nil) || !yield(nil, env.Response().FlushError()) {
				return
			}
			<-seen
			yield([]byte("two\n"), nil)
		}, new(int), nil}, err
	}), compat.HandlerConfig{BufferSize: -1}))
	c := dial(t, addr)
	c.request("GET", "/", "")
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		close(seen)
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "one\n" {
		t.Errorf("first %q, %v", first, err)
	}
	close(seen)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "two\n" {
		t.Errorf("rest %q, %v", rest, err)
	}
}

// TestCloseInEveryEnding adds to TestCloseExactlyOnce what can be seen without a network.
func TestCloseInEveryEnding(t *testing.T) {
	boom := errors.New("boom")
	length := func(n string) []compat.Header { return append(plain, compat.Header{"Content-Length", n}) }
	text := compat.Text("hello").Blocks()
	panics := func(yield func([]byte, error) bool) { panic(boom) }
	for _, tt := range []struct {
		name, method, status string
		headers              []compat.Header
		blocks               iter.Seq2[[]byte, error]
		closeErr             error
		break_               string // the store's method that fails
	}{
		{name: "whole", blocks: text},
		{name: "HEAD", method: "HEAD", blocks: text},
		{name: "not modified", status: "304 Not Modified", blocks: text},
		{name: "no content", status: "204 No Content", blocks: text},
		{name: "refused status", status: "bad", blocks: text},
		{name: "refused header", headers: []compat.Header{{"Connection", "close"}}, blocks: text},
		{name: "too long", headers: length("2"), blocks: text},
		{name: "too short", headers: length("20"), blocks: text},
		{name: "panic", blocks: panics},
		{name: "error in Close", blocks: text, closeErr: boom},
		{name: "session not saved", blocks: text, break_: "Create"},
		{name: "outgrows the buffer, session not saved", blocks: compat.Text(strings.Repeat("x", 1<<20)).Blocks(), break_: "Create"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newSite(t, core.Config{}, compat.SessionsConfig{})
			if tt.break_ != "" {
				st.store.breakOn(tt.break_, boom)
			}
			closed := 0
			app := compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				set(t, env.Request(), 1)
				status := tt.status
				if status == "" {
					status = "200 OK"
				}
				_, err := start(status, tt.headers, nil)
				return body{tt.blocks, &closed, tt.closeErr}, err
			})
			method := tt.method
			if method == "" {
				method = "GET"
			}
			ended := 0
			func() {
				defer func() { _ = recover() }()
				st.sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					compat.ResponseOf(r.Context()).AfterEnd(func() { ended++ })
					compat.Handler(app, compat.HandlerConfig{}).ServeHTTP(w, r)
					if ended != 0 {
						t.Error("AfterEnd was called before the end")
					}
				})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil))
			}()
			if closed != 1 || ended != 1 {
				t.Errorf("closed %d times, ended %d times", closed, ended)
			}
		})
	}
}

// TestExcInfoReplacesAll begins anew whatever came before, its Content-Length included.
func TestExcInfoReplacesAll(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		before func(start compat.StartResponse)
	}{
		{"a refused start", func(start compat.StartResponse) { _, _ = start("bad", plain, nil) }},
		{"two refused starts", func(start compat.StartResponse) { _, _ = start("bad", plain, nil); _, _ = start("bad", plain, boom) }},
		{"output", func(start compat.StartResponse) {
			w, err := start("200 OK", append(plain, compat.Header{"Content-Length", "9"}, compat.Header{"X-First", "1"}), nil)
			if err == nil {
				_, err = io.WriteString(w, "half")
			}
			if err != nil {
				t.Error(err)
			}
		}},
		{"an error page", func(start compat.StartResponse) {
			if _, err := start("503 Busy", plain, boom); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec, log := serveApp(t, func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
				tt.before(start)
				_, err := start("500 Oops", append(plain, compat.Header{"Content-Length", "5"}), boom)
				return compat.Text("sorry"), err
			}, get("/"))
			if rec.Code != 500 || rec.Body.String() != "sorry" || rec.Header().Get("X-First") != "" || log.String() != "" {
				t.Errorf("got %d %q %v, log %s", rec.Code, rec.Body, rec.Header(), log)
			}
		})
	}
}

// TestExpectationIsTheServers shows that the client is not asked for a body that the application does not want.
func TestExpectationIsTheServers(t *testing.T) {
	addr := start(t, compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("403 Forbidden", plain, nil)
		return compat.Text("no"), err
	}), compat.HandlerConfig{}))
	c := dial(t, addr)
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 403 Forbidden\n") {
		t.Errorf("got %q", head)
	}
}

// TestURLsOverTCP shows the address that an application finds for itself, with and without a Host, and over TLS.
func TestURLsOverTCP(t *testing.T) {
	h := compat.Handler(compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		_, err := start("200 OK", plain, nil)
		text := fmt.Sprintln(env.RequestURL(), env.Scheme(), env.String("HTTPS"), env.String("SERVER_NAME"), env.String("HTTP_HOST"),
			env.String("REMOTE_ADDR"), env.String("HTTP_X_TWICE"))
		return compat.Text(text), err
	}), compat.HandlerConfig{})
	addr := start(t, h)
	const path = "/a%3Fb%23c%25/caf%C3%A9%E9;x=1"
	for _, tt := range []struct{ name, send, want string }{
		{"Host", "HTTP/1.1\r\nHost: shop.test:81\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n",
			"http://shop.test:81" + path + "?q=%20 http  shop.test shop.test:81 127.0.0.1 1,2\n"},
		{"none", "HTTP/1.0\r\n\r\n", "http://" + addr + path + "?q=%20 http  127.0.0.1  127.0.0.1 \n"},
	} {
		c := dial(t, addr)
		c.send("GET " + path + "?q=%20 " + tt.send)
		if _, got := c.response("GET"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	srv := httptest.NewTLSServer(h)
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	host := strings.TrimPrefix(srv.URL, "https://")
	if want := srv.URL + "/x https on 127.0.0.1 " + host + " 127.0.0.1 \n"; string(got) != want || err != nil {
		t.Errorf("TLS: got %q, %v, want %q", got, err, want)
	}
}
