package memstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdover-web/holdover/core"
)

const benchSessions = 100_000

// filled returns a store with 100,000 sessions that expire in an hour, and their ids.
func filled(b *testing.B) (*Store, []string) {
	s := New(Config{})
	values := make(core.Values, 10)
	for i := range values {
		values[i] = core.Item{Name: fmt.Sprint("name", i), Data: "some 90 bytes of encoded value, which makes one kilobyte of data with ten names to a session"}
	}
	ids := make([]string, benchSessions)
	for i := range ids {
		ids[i] = fmt.Sprintf("%032d", i)
		rec := record(time.Hour)
		rec.Values = values
		mustCreate(b, s, ids[i], rec)
	}
	return s, ids
}

func BenchmarkLoad(b *testing.B) {
	s, ids := filled(b)
	ctx := b.Context()
	opt := core.LoadOptions{Now: start.Add(time.Second), Touch: time.Minute}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Load(ctx, key(ids[i%benchSessions]), opt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadParallel(b *testing.B) {
	s, ids := filled(b)
	ctx := b.Context()
	opt := core.LoadOptions{Now: start.Add(time.Second), Touch: time.Minute}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.Load(ctx, key(ids[i%benchSessions]), opt); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkLoadTouching(b *testing.B) {
	s, ids := filled(b)
	ctx := b.Context()
	now := start
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Microsecond)
		if _, err := s.Load(ctx, key(ids[i%benchSessions]), core.LoadOptions{Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSave(b *testing.B) {
	s, ids := filled(b)
	ctx := b.Context()
	c := &core.Change{Now: start, Set: core.Values{{Name: "name5", Data: "another value"}}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Now = c.Now.Add(time.Microsecond)
		if _, err := s.Save(ctx, key(ids[i%benchSessions]), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSaveParallel(b *testing.B) {
	s, ids := filled(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c := &core.Change{Now: start, Set: core.Values{{Name: "name5", Data: "another value"}}}
		for i := 0; pb.Next(); i++ {
			if _, err := s.Save(ctx, key(ids[i%benchSessions]), c); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkCreateDelete(b *testing.B) {
	s, _ := filled(b)
	ctx := b.Context()
	rec := record(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Create(ctx, key("one more"), rec); err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Delete(ctx, key("one more"), start); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSweep shows that sweeping costs what expires: 100,000 are stored each time.
func BenchmarkSweep(b *testing.B) {
	for _, expiring := range []int{0, 10, 1000} {
		b.Run(fmt.Sprintf("expiring=%d", expiring), func(b *testing.B) {
			s, _ := filled(b)
			ctx := b.Context()
			for b.Loop() {
				b.StopTimer()
				for i := range expiring {
					mustCreate(b, s, fmt.Sprint("short", i), record(time.Minute))
				}
				b.StartTimer()
				ends := 0
				if err := s.Sweep(ctx, "app", start.Add(time.Minute), func(string, core.Record) { ends++ }); err != nil {
					b.Fatal(err)
				}
				if ends != expiring {
					b.Fatalf("%d ends told, want %d", ends, expiring)
				}
			}
		})
	}
}
