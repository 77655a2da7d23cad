package compat

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

// FuzzHeader checks that a header which is accepted arrives as one header, unchanged.
func FuzzHeader(f *testing.F) {
	f.Add("X-Name", "value")
	f.Add("X", "a\r\nY: b")
	f.Add("X\r\nY", "")
	f.Add("content-length", "12")
	f.Add("Set-Cookie", "a=b; Path=/")
	f.Add("x y", "\x7f")
	f.Fuzz(func(t *testing.T, name, value string) {
		if _, err := checkHeaders([]Header{{name, value}}); err != nil {
			var herr *HeaderError
			if !errors.As(err, &herr) {
				t.Errorf("%q: %v is no *HeaderError", name, err)
			}
			return
		}
		var wire bytes.Buffer
		if err := (http.Header{http.CanonicalHeaderKey(name): {value}}).Write(&wire); err != nil {
			t.Fatal(err)
		}
		wire.WriteString("\r\n")
		got, err := textproto.NewReader(bufio.NewReader(&wire)).ReadMIMEHeader()
		if err != nil || len(got) != 1 || got.Get(name) != strings.Trim(value, " ") {
			t.Errorf("%q: %q arrives as %q, %v", name, value, got, err)
		}
	})
}

// FuzzStatus checks that a status which is accepted is a final one.
func FuzzStatus(f *testing.F) {
	for _, s := range []string{"200 OK", "404", "100 Continue", "2000 X", "20", "-20 X", "200 \n", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, status string) {
		code, err := parseStatus(status)
		if err == nil && (code < 200 || code > 999 || strings.ContainsAny(status, "\r\n\x00")) {
			t.Errorf("%q gives %d", status, code)
		}
	})
}

// FuzzInput checks that lines are the body again, and no longer than was asked for.
func FuzzInput(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\nlast"), 0)
	f.Add([]byte("abcdef\ngh"), 4)
	f.Add(bytes.Repeat([]byte("x"), 5000), 4500)
	f.Fuzz(func(t *testing.T, body []byte, limit int) {
		in := &Input{body: bytes.NewReader(body)}
		var all []byte
		for {
			line, err := in.ReadLine(limit)
			if err == io.EOF && len(line) == 0 {
				break
			}
			if err != nil || len(line) == 0 || limit > 0 && len(line) > limit {
				t.Fatalf("line %q, %v", line, err)
			}
			if i := bytes.IndexByte(line, '\n'); i >= 0 && i < len(line)-1 {
				t.Fatalf("two lines in %q", line)
			}
			all = append(all, line...)
		}
		if !bytes.Equal(all, body) {
			t.Errorf("%q became %q", body, all)
		}
	})
}
