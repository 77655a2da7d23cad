package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
	"github.com/holdover-web/holdover/core/storetest"
)

// placed is a way to a memory store that keeps its sessions in several places.
type placed struct {
	*proxy
	same   func(id, other string) bool
	rotate func(p *placed, ctx context.Context, k core.Key, r core.Rotation) error // to another place
}

func newPlaced(st *memstore.Store) *placed {
	return &placed{
		proxy: newProxy(st),
		same:  func(id, other string) bool { return place(id) == place(other) },
		rotate: func(_ *placed, _ context.Context, k core.Key, _ core.Rotation) error {
			return fmt.Errorf("%w: session %s can not move to another place", core.ErrUnsupported, k.Hash())
		},
	}
}

func place(id string) int { return int(crc32.ChecksumIEEE([]byte(id)) % 8) }

func (p *placed) SamePlace(_, id, other string) bool { return p.same(id, other) }

func (p *placed) Rotate(ctx context.Context, k core.Key, r core.Rotation) error {
	if err := p.err(ctx); err != nil {
		return err
	}
	if !p.same(k.ID, r.To) {
		return p.rotate(p, ctx, k, r)
	}
	return p.proxy.Rotate(ctx, k, r)
}

// The suite must pass a store that rotates within a place only, wherever a check's sessions lie.
func TestPlacer(t *testing.T) {
	storetest.Run(t,
		func(*testing.T) core.Store { return newPlaced(memstore.New(memstore.Config{})) },
		storetest.Options{
			Reopen: func(_ *testing.T, st core.Store) core.Store { return newPlaced(st.(*placed).st) },
			Second: func(_ *testing.T, st core.Store) core.Store { return newPlaced(st.(*placed).st) },
		})
}

// A Placer with one place is like a store that is none.
func TestPlacerOfOnePlace(t *testing.T) {
	storetest.Run(t, func(*testing.T) core.Store {
		p := newPlaced(memstore.New(memstore.Config{}))
		p.same = func(string, string) bool { return true }
		return p
	}, storetest.Options{})
}

// misplaced returns a make function for a store whose places are wrong.
func misplaced(set func(p *placed)) func(*memstore.Store) core.Store {
	return func(st *memstore.Store) core.Store {
		p := newPlaced(st)
		set(p)
		return p
	}
}

var brokenPlaces = []brokenStore{
	{name: "an id is not where it is", want: "Places", make: misplaced(func(p *placed) {
		p.same = func(id, other string) bool { return id != other && place(id) == place(other) }
	})},
	{name: "there and not back", want: "Places", make: misplaced(func(p *placed) {
		p.same = func(id, other string) bool { return place(id) <= place(other) }
	})},
	{name: "near is the same place", want: "Places", make: misplaced(func(p *placed) {
		p.same = func(id, other string) bool {
			d := place(id) - place(other)
			return -1 <= d && d <= 1
		}
	})},
	{name: "processes disagree about places", want: "Second/Places", make: misplaced(func(*placed) {}), opts: storetest.Options{
		Second: func(_ *testing.T, st core.Store) core.Store {
			p := newPlaced(st.(*placed).st)
			p.same = func(id, other string) bool { return place(id)%4 == place(other)%4 }
			return p
		},
	}},
	{name: "one process knows no places", want: "Second/Places", make: misplaced(func(*placed) {}), opts: storetest.Options{
		Second: func(_ *testing.T, st core.Store) core.Store { return newProxy(st.(*placed).st) },
	}},
	{name: "rotates to another place", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		p.rotate = func(p *placed, ctx context.Context, k core.Key, r core.Rotation) error {
			return p.proxy.Rotate(ctx, k, r)
		}
	})},
	{name: "refuses to rotate without a reason", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		p.rotate = func(*placed, context.Context, core.Key, core.Rotation) error { return errors.New("wrong place") }
	})},
	{name: "refuses only free ids of another place", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		refuse := p.rotate
		p.rotate = func(p *placed, ctx context.Context, k core.Key, r core.Rotation) error {
			if _, err := p.st.Load(ctx, core.Key{Manager: k.Manager, ID: r.To}, core.LoadOptions{Now: r.Now, Touch: core.NoTouch}); err == nil {
				return core.ErrExists
			}
			return refuse(p, ctx, k, r)
		}
	})},
	{name: "refuses when the copy is made", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		refuse := p.rotate
		p.rotate = func(p *placed, ctx context.Context, k core.Key, r core.Rotation) error {
			if rec, err := p.st.Load(ctx, k, core.LoadOptions{Now: r.Now, Touch: core.NoTouch}); err == nil {
				p.st.Create(ctx, core.Key{Manager: k.Manager, ID: r.To}, rec)
			}
			return refuse(p, ctx, k, r)
		}
	})},
	{name: "a refused rotation is an access", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		refuse := p.rotate
		p.rotate = func(p *placed, ctx context.Context, k core.Key, r core.Rotation) error {
			p.st.Touch(ctx, k, r.Now)
			return refuse(p, ctx, k, r)
		}
	})},
	{name: "a refused rotation costs the lock", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		refuse := p.rotate
		p.rotate = func(p *placed, ctx context.Context, k core.Key, r core.Rotation) error {
			p.st.Unlock(ctx, k, r.Fence)
			return refuse(p, ctx, k, r)
		}
	})},
	{name: "the refusal tells the id", want: "RotateElsewhere", make: misplaced(func(p *placed) {
		p.rotate = func(_ *placed, _ context.Context, _ core.Key, r core.Rotation) error {
			return fmt.Errorf("%w: rotate to %s", core.ErrUnsupported, r.To)
		}
	})},
}
