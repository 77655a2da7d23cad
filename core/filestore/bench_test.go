//go:build unix && !aix

package filestore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

// The session has ten values and 1 KB. The floors are what a program does that keeps the same bytes in
// a file and promises nothing: no lock, no version, no check, no last access.

func benchRecord() core.Record {
	now := time.Now()
	rec := core.Record{Created: now, Accessed: now, Idle: time.Hour}
	for i := range 10 {
		rec.Values = append(rec.Values, core.Item{Name: fmt.Sprintf("name%d", i), Data: strings.Repeat("x", 100)})
	}
	return rec
}

// memoryFolder is a folder in memory, where the code decides and not the disk.
func memoryFolder(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "filestore")
	if err != nil {
		b.Skipf("there is no file system in memory: %v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func BenchmarkMemory(b *testing.B) {
	benchmarkStore(b, memoryFolder(b), None)
	b.Run("FloorRead", func(b *testing.B) { benchmarkReadFile(b, memoryFolder(b)) })
	b.Run("FloorWrite", func(b *testing.B) { benchmarkBareWrite(b, memoryFolder(b), None) })
}

func BenchmarkDisk(b *testing.B) {
	for _, how := range []Durability{Full, FileOnly, None} {
		b.Run(how.String(), func(b *testing.B) { benchmarkStore(b, b.TempDir(), how) })
	}
	b.Run("FloorRead", func(b *testing.B) { benchmarkReadFile(b, b.TempDir()) })
	for _, how := range []Durability{Full, FileOnly, None} {
		b.Run("FloorWrite/"+how.String(), func(b *testing.B) { benchmarkBareWrite(b, b.TempDir(), how) })
	}
}

func benchmarkStore(b *testing.B, dir string, how Durability) {
	s, err := Open(dir, Config{Durability: how})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	k := core.Key{Manager: "app", ID: "the id of a session, as it is"}
	if err := s.Create(b.Context(), k, benchRecord()); err != nil {
		b.Fatal(err)
	}
	b.Run("Load", func(b *testing.B) {
		opt := core.LoadOptions{Now: time.Now(), Touch: time.Minute}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Load(b.Context(), k, opt); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("LoadTouch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Load(b.Context(), k, core.LoadOptions{Now: time.Now()}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Save", func(b *testing.B) {
		c := &core.Change{Now: time.Now(), Set: core.Values{{Name: "name5", Data: strings.Repeat("y", 100)}}}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Save(b.Context(), k, c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Create", func(b *testing.B) {
		rec := benchRecord()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := s.Create(b.Context(), core.Key{Manager: "new", ID: fmt.Sprint(i)}, rec); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			s.Delete(b.Context(), core.Key{Manager: "new", ID: fmt.Sprint(i)}, time.Now())
			b.StartTimer()
		}
	})
}

func benchBytes() []byte {
	e := entry{kind: kindSession, key: core.Key{Manager: "app", ID: "the id of a session, as it is"}, rec: benchRecord()}
	return e.append(nil)
}

func benchmarkReadFile(b *testing.B, dir string) {
	name := filepath.Join(dir, "session")
	if err := os.WriteFile(name, benchBytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkBareWrite(b *testing.B, dir string, how Durability) {
	name, data := filepath.Join(dir, "session"), benchBytes()
	folder, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer folder.Close()
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if how != None {
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
		if err := os.Rename(name+".new", name); err != nil {
			b.Fatal(err)
		}
		if how == Full {
			if err := folder.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
