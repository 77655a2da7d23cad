package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/memstore"
)

var brokenRecords = []brokenStore{
	{name: "create replaces", want: "CreateExists", make: with(func(o *override, st *memstore.Store) {
		o.create = func(ctx context.Context, k core.Key, rec core.Record) error {
			st.Delete(ctx, k, rec.Accessed)
			return st.Create(ctx, k, rec)
		}
	})},
	{name: "keeps the given version", want: "Create", make: loadedAs(func(rec *core.Record) {
		if rec.Version == 1 {
			rec.Version = 7
		}
	})},
	{name: "ignores the version condition", want: "Condition", make: savedAs(func(c *core.Change) { c.Version = 0 })},
	{name: "always replaces", want: "Merge", make: savedAs(func(c *core.Change) { c.Replace = true })},
	{name: "never replaces", want: "Replace", make: savedAs(func(c *core.Change) { c.Replace = false })},
	{name: "ignores deleted names", want: "Merge", make: savedAs(func(c *core.Change) { c.Delete = nil })},
	{name: "ignores SetIdle", want: "SetIdle", make: savedAs(func(c *core.Change) { c.SetIdle = false })},
	{name: "ignores MaxSize", want: "MaxSize", make: savedAs(func(c *core.Change) { c.MaxSize = 0 })},
	{name: "size limit is one too low", want: "MaxSize", make: savedAs(func(c *core.Change) { c.MaxSize = max(c.MaxSize-1, 0) })},
	{name: "values in the wrong order", want: "Merge", make: loadedAs(func(rec *core.Record) {
		rec.Values = slices.Clone(rec.Values)
		slices.Reverse(rec.Values)
	})},
	{name: "data as UTF-8", want: "Bytes", make: savedAs(func(c *core.Change) {
		c.Set = slices.Clone(c.Set)
		for i := range c.Set {
			c.Set[i].Data = strings.ToValidUTF8(c.Set[i].Data, "\ufffd")
		}
	})},
	{name: "line ends translated", want: "Bytes", make: loadedAs(func(rec *core.Record) {
		rec.Values = slices.Clone(rec.Values)
		for i := range rec.Values {
			rec.Values[i].Data = strings.ReplaceAll(rec.Values[i].Data, "\r\n", "\n")
		}
	})},
	{name: "times in local time", want: "UTC", make: loadedAs(func(rec *core.Record) { rec.Created = rec.Created.Local() })},
	{name: "times in microseconds", want: "Create", make: loadedAs(func(rec *core.Record) { rec.Created = rec.Created.Truncate(time.Microsecond) })},
	{name: "keeps the list of deleted names", want: "Ownership", make: with(keepDelete)},
	{name: "conflict without the current record", want: "ConflictCarriesCurrent", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			version, err := st.Save(ctx, k, c)
			if conflict := (*core.ConflictError)(nil); errors.As(err, &conflict) {
				conflict.Current.Values = nil
			}
			return version, err
		}
	})},
	{name: "delete without the data", want: "Delete", make: with(func(o *override, st *memstore.Store) {
		o.delete = func(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
			_, ok, err := st.Delete(ctx, k, now)
			return core.Record{}, ok, err
		}
	})},
	{name: "delete of nothing is an error", want: "Absent", make: with(func(o *override, st *memstore.Store) {
		o.delete = func(ctx context.Context, k core.Key, now time.Time) (core.Record, bool, error) {
			rec, ok, err := st.Delete(ctx, k, now)
			if !ok && err == nil {
				err = core.ErrNotFound
			}
			return rec, ok, err
		}
	})},
	{name: "errors tell ids", want: "ErrorsHideIDs", make: with(func(o *override, st *memstore.Store) {
		o.touch = func(ctx context.Context, k core.Key, now time.Time) error {
			if err := st.Touch(ctx, k, now); err != nil {
				return fmt.Errorf("touch %s: %w", k.ID, err)
			}
			return nil
		}
	})},
	{name: "saving nothing makes no version", want: "Version", make: with(func(o *override, st *memstore.Store) {
		o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
			if len(c.Set)+len(c.Delete) > 0 || c.Replace {
				return st.Save(ctx, k, c)
			}
			if err := st.Touch(ctx, k, c.Now); err != nil {
				return 0, err
			}
			rec, err := st.Load(ctx, k, core.LoadOptions{Now: c.Now, Touch: core.NoTouch})
			return rec.Version, err
		}
	})},
	{name: "without condition means the first version", want: "Unconditional", make: savedAs(func(c *core.Change) { c.Version = max(c.Version, 1) })},
	{name: "saves into the record that was loaded", want: "Snapshot", make: with(saveInPlace)},
}

// keepDelete applies deletions when the session is loaded, from the caller's own list.
func keepDelete(o *override, st *memstore.Store) {
	kept := make(map[core.Key][]string)
	var mu sync.Mutex
	o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		kept[k] = c.Delete
		return st.Save(ctx, k, c)
	}
	o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		rec, err := st.Load(ctx, k, opt)
		rec.Values = slices.DeleteFunc(slices.Clone(rec.Values), func(it core.Item) bool { return slices.Contains(kept[k], it.Name) })
		return rec, err
	}
}

// saveInPlace changes what readers hold.
func saveInPlace(o *override, st *memstore.Store) {
	var mu sync.Mutex
	loaded := make(map[core.Key]core.Values)
	o.load = func(ctx context.Context, k core.Key, opt core.LoadOptions) (core.Record, error) {
		mu.Lock()
		defer mu.Unlock()
		rec, err := st.Load(ctx, k, opt)
		rec.Values = slices.Clone(rec.Values)
		loaded[k] = rec.Values
		return rec, err
	}
	o.save = func(ctx context.Context, k core.Key, c *core.Change) (uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		for i := range loaded[k] {
			if data, ok := c.Set.Get(loaded[k][i].Name); ok {
				loaded[k][i].Data = data
			}
		}
		return st.Save(ctx, k, c)
	}
}

var brokenKeys = []brokenStore{
	{name: "managers share keys", want: "Isolation", make: seen(func(p *proxy) {
		p.key = func(k core.Key) core.Key { k.Manager = ""; return k }
	})},
	{name: "key is manager and id joined", want: "HostileKeys", make: seen(func(p *proxy) {
		p.key = func(k core.Key) core.Key { return core.Key{ID: k.Manager + k.ID} }
	})},
	{name: "key in lower case", want: "HostileKeys", make: seen(func(p *proxy) {
		p.key = func(k core.Key) core.Key { k.ID = strings.ToLower(k.ID); return k }
	})},
	{name: "key up to the first NUL", want: "HostileKeys", make: seen(func(p *proxy) {
		p.key = func(k core.Key) core.Key { k.ID, _, _ = strings.Cut(k.ID, "\x00"); return k }
	})},
	{name: "key cut off", want: "HostileKeys", make: seen(func(p *proxy) {
		p.key = func(k core.Key) core.Key { k.ID = k.ID[:min(len(k.ID), 4<<10)]; return k }
	})},
}
