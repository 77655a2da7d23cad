package redistest

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

var replies = []struct {
	name, wire string
	want       any
}{
	{"simple string", "+OK\r\n", "OK"},
	{"error", "-MOVED 1 127.0.0.1:1\r\n", Error("MOVED 1 127.0.0.1:1")},
	{"integer", ":-12\r\n", int64(-12)},
	{"bulk string", "$5\r\na\r\n\x00b\r\n", "a\r\n\x00b"},
	{"empty bulk string", "$0\r\n\r\n", ""},
	{"no bulk string", "$-1\r\n", nil},
	{"array", "*3\r\n:1\r\n*1\r\n$1\r\na\r\n*0\r\n", []any{int64(1), []any{"a"}, []any{}}},
	{"no array", "*-1\r\n", nil},
	{"error in an array", "*1\r\n-ERR x\r\n", []any{Error("ERR x")}},
	{"null", "_\r\n", nil},
	{"boolean", "#t\r\n", int64(1)},
	{"double", ",1.5\r\n", "1.5"},
	{"big number", "(123\r\n", "123"},
	{"long error", "!5\r\nERR x\r\n", Error("ERR x")},
	{"verbatim string", "=5\r\ntxt:a\r\n", "a"},
	{"map", "%1\r\n+a\r\n:1\r\n", []any{"a", int64(1)}},
	{"set", "~1\r\n+a\r\n", []any{"a"}},
	{"push", ">1\r\n+a\r\n", []any{"a"}},
	{"attributes", "|1\r\n+a\r\n:1\r\n$1\r\nb\r\n", "b"},
}

func TestParse(t *testing.T) {
	for _, tt := range replies {
		t.Run(tt.name, func(t *testing.T) {
			got, rest, err := parse([]byte(tt.wire + "rest"))
			if err != nil || !reflect.DeepEqual(got, tt.want) || string(rest) != "rest" {
				t.Errorf("got %#v, %q, %v; want %#v", got, rest, err, tt.want)
			}
		})
	}
}

// TestFramer finds each message whole, whatever pieces the stream comes in.
func TestFramer(t *testing.T) {
	var stream strings.Builder
	for _, tt := range replies {
		stream.WriteString(tt.wire)
	}
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(stream.String()),
		"byte by byte": iotest.OneByteReader(strings.NewReader(stream.String())),
	} {
		t.Run(name, func(t *testing.T) {
			f := framer{r: r, len: frameLen}
			var frames []string
			for {
				frame, err := f.next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				frames = append(frames, string(frame))
			}
			if len(frames) != len(replies) {
				t.Fatalf("%d frames, want %d", len(frames), len(replies))
			}
			for i, tt := range replies {
				if frames[i] != tt.wire {
					t.Errorf("%s: %q, want %q", tt.name, frames[i], tt.wire)
				}
			}
		})
	}
}

func TestNotTheProtocol(t *testing.T) {
	for _, wire := range []string{"\r\n", "+OK\n", "$x\r\n", "*-2\r\n"} {
		if _, err := frameLen([]byte(wire)); !errors.Is(err, errFormat) {
			t.Errorf("%q: %v", wire, err)
		}
	}
}

func TestCommandName(t *testing.T) {
	for _, tt := range []struct {
		wire, name string
		args       int
		setup      bool
	}{
		{"*2\r\n$3\r\nget\r\n$1\r\na\r\n", "GET", 1, false},
		{"*3\r\n$6\r\nscript\r\n$4\r\nload\r\n$1\r\na\r\n", "SCRIPT LOAD", 1, true},
		{"*3\r\n$6\r\nscript\r\n$6\r\nexists\r\n$1\r\na\r\n", "SCRIPT EXISTS", 1, false},
		{"*2\r\n$6\r\nclient\r\n$2\r\nid\r\n", "CLIENT ID", 0, true},
		{"*2\r\n$9\r\nsubscribe\r\n$1\r\na\r\n", "SUBSCRIBE", 1, true},
		{"ping\r\n", "PING", 0, true},
		{"set a 1\n", "SET", 2, false},
		{"\r\n", "", 0, false},
		{"*0\r\n", "", 0, false},
	} {
		if n, err := commandLen([]byte(tt.wire + "x")); err != nil || n != len(tt.wire) {
			t.Errorf("%q: %d bytes, %v", tt.wire, n, err)
		}
		name, args := commandName([]byte(tt.wire))
		if name != tt.name || len(args) != tt.args || isSetup(name) != tt.setup {
			t.Errorf("%q: %s with %d, set-up %v", tt.wire, name, len(args), isSetup(name))
		}
	}
}
