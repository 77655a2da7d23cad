package lint_test

import (
	"errors"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/holdover-web/holdover/compat"
)

// example breaks one rule.
type example struct {
	check   string
	server  compat.Middleware // what is around the watch, and breaks the rule if app does not
	mw      compat.Middleware // what is watched in place of app alone
	app     callFunc          // default: hello
	request request
	after   func() // called when the body was closed
	late    bool   // strictness comes too late to fail the request
	differs bool   // without the watch all would go worse
}

func hello(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	if _, err := start("200 OK", append(plain, compat.Header{Name: "Content-Length", Value: "5"}), nil); err != nil {
		return nil, err
	}
	return compat.Text("hello"), nil
}

// reader reads its input, then says hello.
func reader(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	if _, err := env.Input().ReadAll(); err != nil {
		return nil, err
	}
	return hello(env, start)
}

// around makes middleware from one function.
func around(call func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error)) compat.Middleware {
	return func(app compat.Application) compat.Application {
		return compat.ApplicationFunc(func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			return call(app, env, start)
		})
	}
}

// setting is middleware that changes the environ; without a value it deletes the key.
func setting(key string, value ...any) compat.Middleware {
	return around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		env.Delete(key)
		if len(value) > 0 {
			env.Set(key, value[0])
		}
		return app.Call(env, start)
	})
}

// starting is middleware that changes what start_response returns.
func starting(f func(w io.Writer, excInfo, err error) (io.Writer, error)) compat.Middleware {
	return around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		return app.Call(env, func(status string, headers []compat.Header, excInfo error) (io.Writer, error) {
			w, err := start(status, headers, excInfo)
			return f(w, excInfo, err)
		})
	})
}

// with is middleware that puts something in place of the body that it gets.
func with(f func(b compat.Body) compat.Body) compat.Middleware {
	return around(func(app compat.Application, env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		b, err := app.Call(env, start)
		if b != nil && err == nil {
			b = f(b)
		}
		return b, err
	})
}

// collect returns the blocks of a body as one.
func collect(b compat.Body) (all []byte, err error) {
	for block, berr := range b.Blocks() {
		all, err = append(all, block...), errors.Join(err, berr)
	}
	return all, err
}

// join is middleware that gives all of a body as one block.
func join(b compat.Body) compat.Body {
	return body{close: b.Close, blocks: func(yield func([]byte, error) bool) { yield(collect(b)) }}
}

// says is an application with the given headers and body.
func says(status string, headers []compat.Header, b compat.Body) callFunc {
	return func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		if _, err := start(status, headers, nil); err != nil {
			return nil, err
		}
		return b, nil
	}
}

// extra is an application with one more header.
func extra(name, value string) callFunc {
	return says("200 OK", append([]compat.Header{{Name: name, Value: value}}, plain...), compat.Text("hello"))
}

type pointerError struct{}

func (*pointerError) Error() string { return "pointer error" }

type pointerBody struct{}

func (*pointerBody) Blocks() iter.Seq2[[]byte, error] { return compat.Text("hello").Blocks() }
func (*pointerBody) Close() error                     { return nil }

type shortWriter struct{ w io.Writer }

func (s shortWriter) Write(p []byte) (int, error) { return s.w.Write(p[:1]) }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, io.EOF }

var errBoom = errors.New("boom")

// post is a request with a body.
var post = request{method: "POST", body: "one\ntwo\n"}

// examples returns an example for each check, with state of their own.
func examples() []example {
	return append(append(environExamples(), startExamples()...), append(bodyExamples(), streamExamples()...)...)
}

func environExamples() []example {
	nothing := around(func(app compat.Application, _ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		return app.Call(nil, start)
	})
	byHand := around(func(app compat.Application, _ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		return app.Call(new(compat.Environ), start)
	})
	noStart := around(func(app compat.Application, env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		return app.Call(env, nil)
	})
	return []example{
		{check: "environ-missing", server: nothing, differs: true},
		{check: "environ-made-by-hand", server: byHand, differs: true},
		{check: "start-missing", server: noStart, differs: true},
		{check: "environ-key-missing", server: setting("SERVER_NAME")},
		{check: "environ-key-missing", server: setting("SERVER_PORT", "")},
		{check: "environ-key-missing", server: setting("wsgi.url_scheme")},
		{check: "environ-http-content", server: setting("HTTP_CONTENT_TYPE", "text/plain")},
		{check: "environ-query-string", server: setting("QUERY_STRING")},
		{check: "environ-not-string", server: setting("REMOTE_USER", 7)},
		{check: "environ-not-string", server: setting("REMOTE_USER", nil)},
		{check: "environ-version", server: setting("wsgi.version", []int{1, 0})},
		{check: "environ-url-scheme", server: setting("wsgi.url_scheme", "HTTPS")},
		{check: "environ-input", server: setting("wsgi.input", strings.NewReader(""))},
		{check: "environ-input", server: setting("wsgi.input", (*compat.Input)(nil))},
		{check: "environ-errors", server: setting("wsgi.errors", os.Stderr)},
		{check: "environ-method", request: request{method: "BREW"}},
		{check: "environ-script-name", server: setting("SCRIPT_NAME", "app")},
		{check: "environ-path-info", server: setting("PATH_INFO", "page")},
		{check: "environ-content-length", server: setting("CONTENT_LENGTH", "-1")},
		{check: "environ-path-info-missing", server: setting("PATH_INFO")},
		{check: "environ-script-name-root", server: setting("SCRIPT_NAME", "/")},
	}
}

func startExamples() []example {
	var kept compat.StartResponse
	return []example{
		{check: "status", app: says("OK", plain, nil)},
		{check: "status", app: says("103 Early Hints", plain, nil)},
		{check: "status", app: says("+20 OK", plain, nil)},
		{check: "status", app: says(strings.Repeat("200", 100), plain, nil)},
		{check: "status", app: says("200 O\nK", plain, nil)},
		{check: "status-reason", app: says("200", plain, nil)},
		{check: "headers-changed", app: func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			headers := append(plain, compat.Header{Name: "X-Count", Value: "1"})
			_, err := start("200 OK", headers, nil)
			headers[1].Value = "2"
			return compat.Text("hello"), err
		}},
		{check: "header-status", app: extra("Status", "200 OK")},
		{check: "header-name", app: extra("X Y", "1")},
		{check: "header-name", app: extra("X:", "1")},
		{check: "header-name", app: extra("X-", "1")},
		{check: "header-name", app: extra("1X", "1")},
		{check: "header-value", app: extra("X-Folded", "a\n b")},
		{check: "header-hop-by-hop", app: extra("Connection", "close")},
		{check: "header-hop-by-hop", app: extra("transfer-encoding", "chunked")},
		{check: "content-type-missing", app: says("200 OK", nil, compat.Text("hello"))},
		{check: "content-type-forbidden", app: says("204 No Content", plain, nil)},
		{check: "exc-info-typed-nil", app: func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, (*pointerError)(nil))
			return nil, err
		}},
		{check: "start-twice", app: func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, err := start("200 OK", plain, nil)
			if err == nil {
				_, err = start("200 OK", plain, nil)
			}
			return nil, err
		}},
		{check: "start-late", late: true, app: func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			kept = start
			return hello(env, start)
		}, after: func() { _, _ = kept("200 OK", plain, errBoom) }},
		{check: "start-error-ignored", app: func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			_, _ = start("200 OK", plain, nil)
			return nil, nil
		}, server: starting(func(io.Writer, error, error) (io.Writer, error) { return nil, errBoom })},
		{check: "start-no-writer", server: starting(func(io.Writer, error, error) (io.Writer, error) { return nil, nil })},
		{check: "exc-info-late", app: func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := start("200 OK", plain, nil); err != nil {
				return nil, err
			}
			if err := env.Response().FlushError(); err != nil {
				return nil, err
			}
			_, err := start("500 Oops", plain, errBoom)
			return nil, err
		}, server: starting(func(w io.Writer, excInfo, err error) (io.Writer, error) {
			if excInfo != nil {
				return io.Discard, nil
			}
			return w, err
		})},
		{check: "content-length-value", app: extra("Content-Length", "five")},
		{check: "content-length-value", app: says("200 OK", append(plain, compat.Header{Name: "Content-Length", Value: "5"},
			compat.Header{Name: "content-length", Value: "5"}), compat.Text("hello"))},
	}
}

func bodyExamples() []example {
	var kept io.Writer
	writing := func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		w, err := start("200 OK", plain, nil)
		if err != nil {
			return nil, err
		}
		kept = w
		if n, err := w.Write([]byte("written ")); n == 0 {
			return nil, err
		}
		return compat.Text("hello"), nil
	}
	return []example{
		{check: "write-result", app: writing, server: starting(func(w io.Writer, _, err error) (io.Writer, error) {
			return shortWriter{w}, err
		})},
		{check: "write-late", late: true, app: writing, after: func() { _, _ = kept.Write([]byte("late")) }},
		{check: "write-in-body", app: func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			w, err := start("200 OK", plain, nil)
			return body{blocks: func(yield func([]byte, error) bool) {
				_, err := io.WriteString(w, "written ")
				yield(nil, err)
			}}, err
		}},
		{check: "body-typed-nil", app: says("200 OK", plain, (*pointerBody)(nil))},
		{check: "body-nil-blocks", app: says("200 OK", plain, body{}), differs: true},
		{check: "block-with-error", app: says("200 OK", plain, body{blocks: func(yield func([]byte, error) bool) {
			yield([]byte("half"), errBoom)
		}})},
		{check: "block-after-stop", app: says("200 OK", plain, body{blocks: func(yield func([]byte, error) bool) {
			_ = yield([]byte("one"), nil)
			_ = yield([]byte("two"), nil)
		}}), server: with(func(b compat.Body) compat.Body {
			return body{close: b.Close, blocks: func(yield func([]byte, error) bool) {
				for block, err := range b.Blocks() {
					yield(block, err)
					break
				}
			}}
		}), differs: true},
		{check: "block-before-start", app: func(_ *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			return body{blocks: func(yield func([]byte, error) bool) {
				if yield([]byte("early"), nil) {
					_, err := start("200 OK", plain, nil)
					yield(nil, err)
				}
			}}, nil
		}},
		{check: "not-started", app: func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return nil, nil }},
		{check: "not-started", app: func(*compat.Environ, compat.StartResponse) (compat.Body, error) { return yields(""), nil }},
		{check: "blocks-twice", app: says("200 OK", plain, yields("hello")), server: with(func(b compat.Body) compat.Body {
			return body{close: b.Close, blocks: func(yield func([]byte, error) bool) {
				_, _ = collect(b)
				yield(collect(b))
			}}
		})},
		{check: "block-after-close", app: says("200 OK", plain, yields("one", "two")), server: with(func(b compat.Body) compat.Body {
			return body{blocks: func(yield func([]byte, error) bool) {
				for block, err := range b.Blocks() {
					if string(block) == "one" {
						err = errors.Join(err, b.Close())
					}
					if !yield(block, err) {
						return
					}
				}
			}}
		})},
		{check: "block-after-close", app: says("200 OK", plain, yields("hello")), server: with(func(b compat.Body) compat.Body {
			return body{blocks: func(yield func([]byte, error) bool) {
				if err := b.Close(); err != nil {
					yield(nil, err)
					return
				}
				yield(collect(b))
			}}
		})},
		{check: "close-twice", server: with(func(b compat.Body) compat.Body {
			return body{blocks: b.Blocks(), close: func() error { return errors.Join(b.Close(), b.Close()) }}
		})},
		{check: "not-closed", late: true, server: with(func(b compat.Body) compat.Body { return body{blocks: b.Blocks()} })},
		{check: "body-forbidden", app: says("304 Not Modified", nil, compat.Text("hello"))},
		{check: "content-length-exceeded", app: says("200 OK", append(plain, compat.Header{Name: "Content-Length", Value: "2"}), yields("ab", "c"))},
		{check: "content-length-short", app: says("200 OK", append(plain, compat.Header{Name: "Content-Length", Value: "5"}), yields("ab", "c"))},
		{check: "middleware-delays", app: says("200 OK", plain, yields("one", "two")), mw: with(join)},
	}
}

func streamExamples() []example {
	var input *compat.Input
	var stream *compat.ErrorStream
	keeping := func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
		input, stream = env.Input(), env.Errors()
		return hello(env, start)
	}
	return []example{
		{check: "input-read-empty", request: post, app: func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := env.Input().Read(nil); err != nil {
				return nil, err
			}
			return hello(env, start)
		}},
		{check: "input-result", app: reader, server: setting("wsgi.input", compat.NewInput(liar{})), differs: true},
		{check: "input-length", app: reader, request: post, server: setting("wsgi.input", compat.NewInput(strings.NewReader("one")))},
		{check: "input-length", app: reader, request: post, server: setting("wsgi.input", compat.NewInput(strings.NewReader("one\ntwo\nthree")))},
		{check: "input-closed", request: post, app: func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if err := env.Request().Body.Close(); err != nil {
				return nil, err
			}
			return hello(env, start)
		}},
		{check: "input-late", late: true, request: post, app: keeping, after: func() { _, _ = input.ReadAll() }},
		{check: "input-two-readers", request: post, app: func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := io.ReadAll(env.Request().Body); err != nil {
				return nil, err
			}
			return reader(env, start)
		}},
		{check: "errors-not-text", app: func(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
			if _, err := env.Errors().WriteString("caf\xe9\n"); err != nil {
				return nil, err
			}
			return hello(env, start)
		}},
		{check: "errors-late", late: true, app: keeping, after: func() { _, _ = stream.WriteString("late\n") }},
	}
}
