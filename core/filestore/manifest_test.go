//go:build unix && !aix

package filestore

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		file, content string // what is in the folder
		mode          os.FileMode
		want          string // part of the error
	}{
		"another program's folder": {"data.db", "x", 0o700, "use an empty folder"},
		"a newer program's":        {manifestName, `{"kind":"holdover session store","format":2,"id":"x"}`, 0o700, "newer version"},
		"another kind":             {manifestName, `{"kind":"photo album","format":1}`, 0o700, "not that of a session store"},
		"no format":                {manifestName, `{"kind":"holdover session store"}`, 0o700, "not that of a session store"},
		"a damaged manifest":       {manifestName, `{"kind":"hold`, 0o700, "can not be read"},
		"an empty manifest":        {manifestName, ``, 0o700, "can not be read"},
		"open to the group":        {manifestName, `{"kind":"holdover session store","format":1,"id":"x"}`, 0o750, "chmod 700"},
		"open to the world":        {manifestName, `{"kind":"holdover session store","format":1,"id":"x"}`, 0o701, "chmod 700"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Config{})
			if err == nil {
				s.Close()
				t.Fatal("the folder was accepted")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("the error is %q, want one that names %s and says %q", err, dir, tt.want)
			}
			if data, err := os.ReadFile(filepath.Join(dir, tt.file)); err != nil || string(data) != tt.content {
				t.Errorf("%s is %q now, %v", tt.file, data, err)
			}
			if paths := tree(t, dir); len(paths) != 2 {
				t.Errorf("the folder has %q now", paths)
			}
		})
	}
	if _, err := Open("", Config{}); err == nil {
		t.Error("no folder was accepted")
	}
	if _, err := Open(t.TempDir(), Config{Durability: 9}); err == nil {
		t.Error("an unknown durability was accepted")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Config{}); err == nil {
		t.Error("a file was accepted as a folder")
	}
}

func TestOpenAgain(t *testing.T) {
	dir := t.TempDir()
	// As left by a process that was killed while it made the store.
	if err := os.WriteFile(filepath.Join(dir, manifestTemp), []byte(`{"ki`), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	first, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if again, err := os.ReadFile(filepath.Join(dir, manifestName)); err != nil || string(again) != string(first) {
		t.Errorf("the manifest is %s, %v; it was %s", again, err, first)
	}
}

// TestOpenAtOnce has several open a new folder: one makes it a store, all get the same.
func TestOpenAtOnce(t *testing.T) {
	for range 20 {
		dir := filepath.Join(t.TempDir(), "store")
		stores := make([]*Store, 4)
		var wg sync.WaitGroup
		for i := range stores {
			wg.Go(func() {
				s, err := Open(dir, Config{Durability: None})
				if err != nil {
					t.Errorf("Open: %v", err)
					return
				}
				stores[i] = s
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		mustCreate(t, stores[0], testKey("a"), nil)
		for _, s := range stores {
			if _, err := load(s, testKey("a")); err != nil {
				t.Error(err)
			}
			s.Close()
		}
	}
}

func TestParseURL(t *testing.T) {
	for url, want := range map[string]struct {
		dir string
		how Durability
	}{
		"file:sessions":                          {"sessions", Full},
		"file:/var/lib/app":                      {"/var/lib/app", Full},
		"file:///var/lib/app?durability=none":    {"/var/lib/app", None},
		"file:a%20b%3Fc?durability=file":         {"a b?c", FileOnly},
		"file:x?durability=none&durability=full": {"x", Full},
	} {
		dir, cfg, err := parseURL(url)
		if err != nil || dir != want.dir || cfg.Durability != want.how {
			t.Errorf("%s: %q, %v, %v; want %q, %v", url, dir, cfg.Durability, err, want.dir, want.how)
		}
	}
	for _, url := range []string{"file:", "file:?durability=none", "file://host/dir", "file:x?durability=most", "file:x?other=1", "file:%zz", "file:x?%zz"} {
		if dir, cfg, err := parseURL(url); err == nil {
			t.Errorf("%s is taken for %q, %v", url, dir, cfg)
		}
	}
}

func TestOpenStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := core.OpenStore(t.Context(), "file:"+dir+"?durability=none")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.(*Store).cfg.Durability != None {
		t.Error("the setting was not taken over")
	}
	if s, err := core.OpenStore(t.Context(), "file:"+t.TempDir()+"?durability=some"); err == nil || s != nil {
		t.Errorf("a wrong setting gives %v, %v", s, err)
	}
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := core.OpenStore(t.Context(), "file:"+dir); err == nil || s != nil {
		t.Errorf("a wrong folder gives %v, %v", s, err)
	}
}
