package webstack

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCharsets(t *testing.T) {
	for _, tt := range []struct {
		charset *Charset
		text    string
		bytes   string
	}{
		{ISO8859_1, "Grüße é ÿ", "Gr\xfc\xdfe \xe9 \xff"},
		{ISO8859_1, "\u0080\u009f", "\x80\x9f"},
		{ISO8859_15, "€ Œuvre ¢", "\xa4 \xbcuvre \xa2"},
		{Windows1252, "€ “x” – ü", "\x80 \x93x\x94 \x96 \xfc"},
		{UTF8, "Grüße €", "Grüße €"},
		{ASCII, "plain", "plain"},
	} {
		got, err := tt.charset.Encode(tt.text)
		if got != tt.bytes || err != nil {
			t.Errorf("%s: Encode(%q) = %q, %v; want %q", tt.charset, tt.text, got, err, tt.bytes)
		}
		if back := tt.charset.Decode(tt.bytes); back != tt.text {
			t.Errorf("%s: Decode(%q) = %q, want %q", tt.charset, tt.bytes, back, tt.text)
		}
	}
	for _, tt := range []struct {
		charset *Charset
		text    string
		char    rune
	}{
		{ISO8859_1, "10 €", '€'}, {ASCII, "é", 'é'}, {ISO8859_15, "¤", '¤'}, {Windows1252, "\u0081", '\u0081'},
		{ISO8859_1, "a\xff", utf8.RuneError}, {ISO8859_1, "a\xc3", utf8.RuneError}, {ISO8859_1, "\uFFFD", utf8.RuneError},
	} {
		_, err := tt.charset.Encode(tt.text)
		e, ok := errors.AsType[*CharsetError](err)
		if !ok || e.Char != tt.char || e.Charset != tt.charset || !strings.Contains(err.Error(), tt.charset.String()) {
			t.Errorf("%s: Encode(%q): error %v", tt.charset, tt.text, err)
		}
	}
	for charset, want := range map[*Charset]string{ASCII: "a\uFFFD\x00", Windows1252: "a\uFFFD\x00", UTF8: "a\uFFFD\x00"} {
		if got := charset.Decode("a\x81\x00"); got != want {
			t.Errorf("%s: %q, want %q", charset, got, want)
		}
	}
	for name, want := range map[string]*Charset{"UTF-8": UTF8, "utf_8": UTF8, "Latin-1": ISO8859_1, "cp1252": Windows1252, "utf-7": nil, "": nil} {
		if got, err := CharsetNamed(name); got != want || (err != nil) != (want == nil) {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
}

// FuzzCharsets: what is decoded and can be encoded is what it was.
func FuzzCharsets(f *testing.F) {
	f.Add("Gr\xfc\xdfe", "Grüße")
	f.Fuzz(func(t *testing.T, data, text string) {
		for _, c := range []*Charset{UTF8, ASCII, ISO8859_1, ISO8859_15, Windows1252} {
			if decoded := c.Decode(data); !utf8.ValidString(decoded) {
				t.Errorf("%s: %q decodes to %q, which is no UTF-8", c, data, decoded)
			} else if again, err := c.Encode(decoded); err == nil && again != data && c != UTF8 {
				t.Errorf("%s: %q became %q", c, data, again)
			}
			if encoded, err := c.Encode(text); err == nil && utf8.ValidString(text) && c.Decode(encoded) != text {
				t.Errorf("%s: %q became %q", c, text, c.Decode(encoded))
			}
		}
	})
}

func TestContentType(t *testing.T) {
	for header, want := range map[string]string{
		`text/html; charset=utf-8`:                  `text/html; charset=utf-8`,
		`Text/HTML ;Charset="UTF-8"`:                `text/html; charset=UTF-8`,
		`multipart/form-data; boundary="a;b\"c"; x`: `multipart/form-data; boundary="a;b\"c"`,
		`text/plain; ; =; a=1; a=2; b=`:             `text/plain; a=2; b=""`,
		``:                                          ``,
		`text/plain; charset="utf-8`:                `text/plain; charset="\"utf-8"`,
		`application/x-www-form-urlencoded; charset=cp1252`: `application/x-www-form-urlencoded; charset=cp1252`,
	} {
		c := parseContentType(header)
		if got := c.String(); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
		if again := parseContentType(c.String()); fmt.Sprint(again) != fmt.Sprint(c) {
			t.Errorf("%q: %v read again is %v", header, c, again)
		}
	}
}

func FuzzContentType(f *testing.F) {
	f.Add(`multipart/form-data; boundary="a;b\"c"; x`)
	f.Fuzz(func(t *testing.T, header string) {
		c := parseContentType(header)
		if c.check() != nil {
			return
		}
		if again := parseContentType(c.String()); again.String() != c.String() {
			t.Errorf("%q: %q read again is %q", header, c, again)
		}
	})
}

// The charset of the output, in bytes and in the header.
func TestOutputCharset(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings Settings
		set      ContentType // the zero one is not set
		write    []string
		header   string
		body     string
	}{
		{"nothing said", nil, ContentType{}, []string{"Grüße"}, "text/html; charset=iso-8859-1", "Gr\xfc\xdfe"},
		{"without charset", nil, ContentType{MediaType: "text/plain"}, []string{"Grüße"}, "text/plain; charset=iso-8859-1", "Gr\xfc\xdfe"},
		{"XHTML", nil, ContentType{MediaType: "application/xhtml+xml"}, []string{"é"}, "application/xhtml+xml; charset=iso-8859-1", "\xe9"},
		{"utf-8", nil, ContentType{MediaType: "text/html", Charset: "utf-8"}, []string{"10 €"}, "text/html; charset=utf-8", "10 €"},
		{"another default", Settings{"default_charset": "UTF-8"}, ContentType{}, []string{"10 €"}, "text/html; charset=utf-8", "10 €"},
		{"attributes", nil, ContentType{MediaType: "text/plain", Attributes: map[string]string{"format": "flowed"}}, []string{"é"}, "text/plain; charset=iso-8859-1; format=flowed", "\xe9"},
		{"bytes", nil, ContentType{MediaType: "image/png"}, []string{"\x89PNG\xff\xc3"}, "image/png", "\x89PNG\xff\xc3"},
		{"split characters", nil, ContentType{}, []string{"a\xc3", "\xa9", "b\xc3\xa9", "\xc3", "", "\xbc"}, "text/html; charset=iso-8859-1", "a\xe9b\xe9\xfc"},
		{"split over the buffer", Settings{"response_buffer_size": 1}, ContentType{}, []string{"ab\xc3", "\xa9"}, "text/html; charset=iso-8859-1", "ab\xe9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(t, testConfig{Config: Config{Settings: tt.settings}}, httptest.NewRequest("GET", "/", nil), func(tr *Transaction) error {
				if tt.set.MediaType != "" {
					if err := tr.SetContentType(tt.set); err != nil {
						return err
					}
				}
				for i, s := range tt.write {
					var n int
					var err error
					if i%2 == 0 {
						n, err = tr.GetResponseStream().WriteString(s)
					} else {
						n, err = tr.GetResponseStream().Write([]byte(s))
					}
					if n != len(s) || err != nil {
						t.Errorf("write %q: %d, %v", s, n, err)
					}
				}
				return nil
			})
			if got := w.Header().Get("Content-Type"); got != tt.header || w.Body.String() != tt.body || w.Code != 200 {
				t.Errorf("%d %q %q; want %q %q", w.Code, got, w.Body, tt.header, tt.body)
			}
		})
	}
}

// A character that the charset does not have is an error, also for a resource that does not look at it.
func TestUnencodable(t *testing.T) {
	w := serve(t, testConfig{}, httptest.NewRequest("GET", "/", nil), func(tr *Transaction) error {
		if tr.GetResponseStreamEncoding() != ISO8859_1 {
			t.Errorf("the encoding is %v", tr.GetResponseStreamEncoding())
		}
		n, err := tr.GetResponseStream().WriteString("costs 10 €")
		if e, ok := errors.AsType[*CharsetError](err); !ok || e.Char != '€' || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
		if err := write(tr, "costs 10 EUR"); err == nil {
			t.Error("another write is no error")
		}
		return errors.Join(tr.Rollback(), write(tr, "costs 10 EUR"))
	})
	if w.Body.String() != "costs 10 EUR" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for name, fn := range map[string]ResourceFunc{
		"returned": func(t *Transaction) error { return write(t, "€") },
		"half":     func(t *Transaction) error { return write(t, "a\xc3") },
		"ignored":  func(t *Transaction) error { _ = errors.Join(write(t, "page "), write(t, "€")); return nil },
	} {
		if w := serve(t, testConfig{}, httptest.NewRequest("GET", "/", nil), fn); w.Code != 500 {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

func TestSetContentType(t *testing.T) {
	serve(t, testConfig{}, httptest.NewRequest("GET", "/", nil), func(tr *Transaction) error {
		for _, c := range []ContentType{
			{}, {MediaType: "html"}, {MediaType: "text/"}, {MediaType: "text/html\r\nX: y"}, {MediaType: "text/html", Charset: "utf-7"},
			{MediaType: "text/html", Attributes: map[string]string{"a\r\n": "b"}}, {MediaType: "text/html", Attributes: map[string]string{"a": "b\r\nX: y"}},
			{MediaType: "text/html", Attributes: map[string]string{"": "b"}}, {MediaType: "text/html", Attributes: map[string]string{"a": "é"}},
		} {
			if err := tr.SetContentType(c); err == nil {
				t.Errorf("%+v was taken", c)
			}
		}
		if err := tr.SetHeaderValue("content-type", "text/plain; charset=utf-8"); err != nil || tr.GetResponseStreamEncoding() != UTF8 {
			t.Errorf("by SetHeaderValue: %v, %v", err, tr.GetResponseStreamEncoding())
		}
		if err := errors.Join(write(tr, "é"), tr.SetContentType(ContentType{MediaType: "text/html", Charset: "UTF-8"})); err != nil {
			t.Errorf("the same charset after output: %v", err)
		}
		if err := tr.SetContentType(ContentType{MediaType: "text/html", Charset: "iso-8859-1"}); err == nil {
			t.Error("another charset after output was taken")
		}
		return nil
	})
}
