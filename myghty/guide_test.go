package myghty

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/internal/guide"
)

func readGuide(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "porting-myghty.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Every exported name of the package, every option and every refusal is in a table of the guide.
func TestGuideTables(t *testing.T) {
	guide.Tables(t, "../docs/porting-myghty.md", ".")
	shown := guide.Shown(readGuide(t))
	for _, list := range [][]string{slices.Collect(maps.Keys(specs)), slices.Collect(maps.Keys(refused))} {
		for _, name := range list {
			if !shown[name] {
				t.Errorf("no table shows the option %s", name)
			}
		}
	}
}

// The table of legacy names in docs/config.md has the options that have newer names.
func TestGuideLegacyNames(t *testing.T) {
	same := map[string]string{}
	for bare, option := range sameThing {
		same["session_"+bare] = option
	}
	guide.Legacy(t, "../docs/config.md", "myghty", same)
}

// The program in the guide compiles and does what its Python original did.
func TestGuideProgram(t *testing.T) {
	_, code, ok := strings.Cut(readGuide(t), "```go\n")
	code, _, closed := strings.Cut(code, "```")
	if !ok || !closed {
		t.Fatal("the guide shows no Go code")
	}
	program := build(t, code)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, addr)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, form string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, strings.NewReader(form))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	for { // until it listens
		if _, err = ask(http.MethodGet, "/nowhere", ""); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	for _, step := range []struct{ method, path, form, want string }{
		{http.MethodGet, "/", "", `<input name="user">`},
		{http.MethodPost, "/login", "user=%3CAda%3E", "<p>Hello &lt;Ada&gt;, visit 2</p></body></html>"}, // and follows the redirect
		{http.MethodGet, "/", "", "Hello &lt;Ada&gt;, visit 3"},
	} {
		if body, err := ask(step.method, step.path, step.form); err != nil || !strings.Contains(body, step.want) {
			t.Errorf("%s %s: %q, %v; want %q", step.method, step.path, body, err, step.want)
		}
	}
}

// build compiles a program as if it were a folder of this module, without writing into the tree.
func build(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	file, overlay, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	here, err := filepath.Abs("guide")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{file: []byte(code), overlay: replace} {
		if err := os.WriteFile(name, data, fs.FileMode(0o600)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, "./guide")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
