package webkit

import (
	"context"
	"errors"
	"testing"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

// damaged is a store in which every session is damaged.
type damaged struct{ core.Store }

func (damaged) Load(_ context.Context, key core.Key, _ core.LoadOptions) (core.Record, error) {
	return core.Record{}, &core.CorruptError{Key: key, Reason: "it is damaged"}
}

// Pages that ask for HasSession before they open the session are the first to meet damage.
func TestHasReportsDamage(t *testing.T) {
	m, err := core.New("damaged", damaged{memstore.New(memstore.Config{})}, core.Config{})
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan core.Event, 1)
	m.Listen(func(_ context.Context, e core.Event) { events <- e })
	app, err := NewApplication(m, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := app.HasSession(t.Context(), core.RandomIDs().New()); ok || err != nil {
		t.Errorf("HasSession: %v, %v; want false, nil", ok, err)
	}
	if err := m.Close(t.Context()); err != nil { // delivers what is queued
		t.Fatal(err)
	}
	select {
	case e := <-events:
		if e.Reason != core.EndLost || !errors.Is(e.Err, core.ErrCorrupt) {
			t.Errorf("event: %+v", e)
		}
	default:
		t.Error("listeners were not told of the damage")
	}
}
