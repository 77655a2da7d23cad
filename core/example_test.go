package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// exampleManager makes a manager and a session in which n is 0.
func exampleManager(cfg core.Config) (m *core.Manager, id string) {
	m, err := core.New("shop", memstore.New(memstore.Config{}), cfg)
	if err != nil {
		log.Fatal(err)
	}
	s, err := m.Create(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.Set("n", 0), s.End(context.Background())); err != nil {
		log.Fatal(err)
	}
	return m, s.ID()
}

// must ends an example that does not go as planned.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func Example() {
	ctx := context.Background()
	m := must(core.New("shop", memstore.New(memstore.Config{}), core.Config{}))
	defer m.Close(ctx)

	// The first request creates the session and stores something in it.
	s := must(m.Create(ctx))
	if err := s.Set("cart", []string{"tea"}); err != nil {
		log.Fatal(err)
	}
	if err := s.End(ctx); err != nil {
		log.Fatal(err)
	}

	// The next one comes with the id, and changes the list in place.
	s = must(m.Open(ctx, s.ID()))
	cart := must(core.Get[*[]string](s, "cart"))
	*cart = append(*cart, "milk")
	if err := s.End(ctx); err != nil {
		log.Fatal(err)
	}

	s = must(m.Open(ctx, s.ID(), core.ReadOnly))
	fmt.Println(must(core.Get[[]string](s, "cart")))
	// Output: [tea milk]
}

func ExampleMerge() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{Locking: core.Merge})
	defer m.Close(ctx)

	a, b := must(m.Open(ctx, id)), must(m.Open(ctx, id))
	_ = a.Set("colour", "red")
	_ = b.Set("size", "L")
	fmt.Println(a.End(ctx), b.End(ctx))
	fmt.Println(must(m.Open(ctx, id)).Keys())
	// Output:
	// <nil> <nil>
	// [colour n size]
}

func ExampleLossy() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{Locking: core.Lossy})
	defer m.Close(ctx)

	a, b := must(m.Open(ctx, id)), must(m.Open(ctx, id))
	_ = a.Set("colour", "red")
	_ = b.Set("size", "L")
	fmt.Println(a.End(ctx), b.End(ctx))
	fmt.Println(must(m.Open(ctx, id)).Keys()) // b never saw the colour, and saved everything
	// Output:
	// <nil> <nil>
	// [n size]
}

func ExampleOptimistic() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{Locking: core.Optimistic})
	defer m.Close(ctx)

	a, b := must(m.Open(ctx, id)), must(m.Open(ctx, id))
	_ = a.Set("n", 1)
	_ = b.Set("n", 1)
	fmt.Println(a.End(ctx))
	fmt.Println(errors.Is(b.End(ctx), core.ErrConflict))
	// Output:
	// <nil>
	// true
}

func ExampleSerialized() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{Locking: core.Serialized})
	defer m.Close(ctx)

	done := make(chan struct{})
	for range 10 {
		go func() {
			s := must(m.Open(ctx, id)) // waits until the request before has ended
			_ = s.Set("n", must(core.Get[int](s, "n"))+1)
			_ = s.End(ctx)
			done <- struct{}{}
		}()
	}
	for range 10 {
		<-done
	}
	fmt.Println(must(core.Get[int](must(m.Open(ctx, id, core.ReadOnly)), "n")))
	// Output: 10
}

func ExampleManager_Update() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{})
	defer m.Close(ctx)

	err := m.Update(ctx, id, func(s *core.Session) error {
		n, err := core.Get[int](s, "n")
		if err != nil {
			return err
		}
		return s.Set("n", n+1)
	})
	fmt.Println(must(core.Get[int](must(m.Open(ctx, id)), "n")), err)
	// Output: 1 <nil>
}

func ExampleManager_Listen() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{})

	m.Listen(func(_ context.Context, ev core.Event) {
		if ev.Kind == core.EventEnded {
			n, _ := core.Get[int](ev.Data, "n")
			fmt.Println("ended:", ev.Reason, n)
		}
	})
	_ = m.Delete(ctx, id)
	_ = m.Close(ctx) // delivers what is queued
	// Output: ended: invalidated 0
}

func ExampleSession_Rotate() {
	ctx := context.Background()
	m, id := exampleManager(core.Config{})
	defer m.Close(ctx)

	s := must(m.Open(ctx, id))
	_ = s.Set("user", "ada")
	_ = s.Rotate(ctx, 0) // at login: the id that was known before is worth nothing now
	_ = s.End(ctx)

	_, err := m.Open(ctx, id)
	fmt.Println(err)
	fmt.Println(must(core.Get[string](must(m.Open(ctx, s.ID())), "user")))
	// Output:
	// core: no such session
	// ada
}
