package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPlaceOf(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ url, want string }{
		{"memory:", "memory: of [store:main]"},
		{"memory:?max_sessions=5", "memory: of [store:main]"},
		{"file:" + dir, "file:" + real},
		{"file://" + dir + "/x/..?durability=none", "file:" + real},
		{"file:" + dir + "/link/new/folder", "file:" + real + "/new/folder"},
		{"dbm:" + dir + "/a%20b.db", "dbm:" + real + "/a b.db"},
		{"redis://localhost", "redis://127.0.0.1:6379/0"},
		{"rediss://ada:secret@LOCALHOST:6379/0?timeout=1s", "redis://127.0.0.1:6379/0"},
		{"redis://h/1?prefix=x&pool=5", "redis://h:6379/1?prefix=x"},
		{"redis+sentinel://b,a:1/master", "redis+sentinel://a:1,b:26379/master"},
		{"redis+cluster://[::1],a", "redis+cluster://[::1]:6379,a:6379/0"},
		{"redis://ada:se/cret@h", "redis: of [store:main]"},
		{"", ":" + mustAbs("")},
	} {
		if got := placeOf("main", tt.url); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.url, got, tt.want)
		}
	}
}

func mustAbs(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return realPath(abs)
}
