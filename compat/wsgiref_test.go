package compat_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/internal/testenv"
)

// The application that answers with its environ as JSON, in Python. Strings are as PEP 3333 has them: a character for
// each byte. Of other values it tells what they are good for.
const pythonEcho = `
import json
from wsgiref.simple_server import make_server, ServerHandler, WSGIRequestHandler

ServerHandler.os_environ = {} # the server's own variables, which it puts into each environ

def app(environ, start_response):
    told = {}
    for key, value in environ.items():
        if isinstance(value, (str, bool, int, tuple)):
            told[key] = value
        else:
            told[key] = "an object"
    told["body"] = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode("latin-1")
    out = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(out)))])
    return [out]

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
`

// goEcho is the same in Go.
func goEcho(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	told := make(map[string]any)
	for key, value := range env.All() {
		switch v := value.(type) {
		case string:
			told[key] = latin1(v)
		case bool, [2]int:
			told[key] = v
		default:
			told[key] = "an object"
		}
	}
	body, err := env.Input().ReadAll()
	if err != nil {
		return nil, err
	}
	told["body"] = latin1(string(body))
	out, err := json.Marshal(told)
	if err != nil {
		return nil, err
	}
	_, err = start("200 OK", []compat.Header{{"Content-Type", "application/json"}}, nil)
	return compat.Bytes(out), err
}

// latin1 makes a character of each byte.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// environRequests are sent to both.
var environRequests = []struct{ name, text string }{
	{"plain", "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"a port in Host", "GET /a HTTP/1.1\r\nHost: shop.test:8080\r\nUser-Agent: x/1\r\nAccept: */*;q=0.5\r\n\r\n"},
	{"HTTP/1.0 without Host", "GET /old HTTP/1.0\r\n\r\n"},
	{"a query", "GET /x?a=1&b=%20&b=+&c HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"an empty query", "GET /x? HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"UTF-8 and Latin-1 in the path", "GET /caf%C3%A9/caf%E9/a%20b HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"escaped slashes", "GET /a%2Fb/%3F%23%25 HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"path parameters", "GET /a;x=1/b;y HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"doubled slashes", "GET /a//b/ HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"two slashes in front", "GET //a/b HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"dots in the path", "GET /a/../b/./c HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
	{"a form", "POST /form HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: 7\r\n\r\na=1&b=2"},
	{"bytes", "PUT /bytes HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n\r\n\x00\xff\xe9\r"},
	{"an empty body", "POST /form HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n"},
	{"a body without a type", "POST /form HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\n\r\nx"},
	{"other methods", "PROPFIND /dav HTTP/1.1\r\nHost: shop.test\r\nDepth: 1\r\n\r\n"},
	{"a header twice", "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Twice: 1\r\nX-Other: o\r\nX-Twice: 2\r\n\r\n"},
	{"cookies", "GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: a=1; b=\"2\"\r\n\r\n"},
	{"two Cookie headers", "GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n"},
	{"blanks around a value", "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Blank: \t a  b \t\r\n\r\n"},
	{"an empty header", "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Empty:\r\n\r\n"},
	{"Latin-1 in a header", "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Name: caf\xe9\r\n\r\n"},
	{"an underscore in a header", "GET / HTTP/1.1\r\nHost: shop.test\r\nX_Real_User: root\r\nX-Real-User: ann\r\n\r\n"},
	{"a Proxy header", "GET / HTTP/1.1\r\nHost: shop.test\r\nProxy: http://evil.test\r\n\r\n"},
	{"a full URL", "GET http://shop.test/a?b HTTP/1.1\r\nHost: shop.test\r\n\r\n"},
}

// difference is a key that compat and wsgiref give other values, or that only one of them has.
type difference struct{ key, ours, theirs string }

const absent = "-"

// TestSameEnvironAsPython sends the same requests to compat and to Python's wsgiref. What differs is what the table in
// docs/environ.md says, no more and no less.
func TestSameEnvironAsPython(t *testing.T) {
	python := startPythonEcho(t)
	ours := start(t, compat.Handler(compat.ApplicationFunc(goEcho), compat.HandlerConfig{}))
	found := make(map[difference][]string)
	for _, r := range environRequests {
		a, b := environOf(t, ours, r.text), environOf(t, python, r.text)
		if len(a) < 15 || len(b) < 15 {
			t.Fatalf("%s: too little is told: %v, %v", r.name, a, b)
		}
		keys := maps.Clone(a)
		maps.Copy(keys, b)
		for key := range keys {
			d := difference{key, told(a, key), told(b, key)}
			if d.ours != d.theirs {
				found[d] = append(found[d], r.name)
			}
		}
	}
	var rows []string
	for d, names := range found {
		where := strings.Join(names, ", ")
		if len(names) == len(environRequests) {
			where = "every request"
		} else if len(names) > 5 {
			where = "most requests"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", d.key, where, code(d.ours), code(d.theirs)))
	}
	slices.Sort(rows)
	documented := documentedDifferences(t)
	if !slices.Equal(rows, documented) {
		t.Errorf("docs/environ.md has\n%s\n\nfound was\n%s", strings.Join(documented, "\n"), strings.Join(rows, "\n"))
	}
}

func code(value string) string {
	if value == absent {
		return absent
	}
	return "`" + value + "`"
}

// told returns a value in words. What is another on each machine, and each time, is left out.
func told(env map[string]any, key string) string {
	v, ok := env[key]
	if !ok {
		return absent
	}
	switch key {
	case "REMOTE_PORT", "SERVER_PORT":
		return "a port"
	case "REQUEST_URI":
		return "the target"
	case "REMOTE_ADDR":
		return "127.0.0.1"
	case "SERVER_SOFTWARE":
		name, _, _ := strings.Cut(v.(string), "/")
		return name
	case "SERVER_NAME":
		if host, err := os.Hostname(); err == nil && v == host || v == "localhost" || v == "127.0.0.1" {
			return "the server's own name"
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), `"`)
}

// environOf sends a request and returns the environ that it arrived with.
func environOf(t *testing.T, addr, request string) map[string]any {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	c.send(request)
	resp, body := c.response("GET")
	env := make(map[string]any)
	if err := json.Unmarshal([]byte(body), &env); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%q: %d %q, %v", request, resp.StatusCode, body, err)
	}
	return env
}

func startPythonEcho(t *testing.T) (addr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Tool(t, "python3"), "-c", pythonEcho)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("Python's server tells no port: %v", err)
	}
	return net.JoinHostPort("127.0.0.1", strings.TrimSpace(port))
}

// documentedDifferences returns the rows of the table in the documentation, without their last column, which says why.
func documentedDifferences(t *testing.T) (rows []string) {
	t.Helper()
	f, err := os.Open("../docs/environ.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	_, text2, ok := strings.Cut(string(text), "<!-- differences -->\n")
	if !ok {
		t.Fatal("docs/environ.md has no table")
	}
	for line := range strings.Lines(text2) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		line = strings.TrimSuffix(line, "|")
		rows = append(rows, line[:strings.LastIndex(line, "|")+1])
	}
	slices.Sort(rows)
	return rows
}
