package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/core"
)

var keyPromises = []promise{
	{"Isolation", "Nothing done under one manager id shows under another, whatever the session id is.", checkIsolation},
	{"HostileKeys", "Every key is kept apart from every other, whatever bytes it has, or is refused with an error.", checkHostileKeys},
}

func checkIsolation(e *env) {
	mine, other := core.Key{Manager: "mine", ID: "same"}, core.Key{Manager: "other", ID: "same"}
	e.create(mine, e.record("n", "mine"))
	e.wantNothing("before it was created under the other manager", other)
	e.create(other, e.record("n", "other"))
	undisturbed := func(what string) {
		e.Helper()
		e.wantStored(what+" under the other manager", mine, 1, "n", "mine")
	}

	e.save(other, e.set("n", "changed"))
	undisturbed("Save")
	e.advance(e.unit)
	accessed := e.load(mine).Accessed
	e.touch(other)
	e.wantTime("Accessed after Touch under the other manager", e.load(mine).Accessed, accessed)

	if locker, ok := e.mayLock(); ok {
		opt := core.LockOptions{LoadOptions: core.LoadOptions{Now: e.now(), Touch: core.NoTouch}, Lease: 1000 * e.unit}
		_, fence, err := locker.Lock(e.ctx, other, opt)
		e.wants("Lock", err, nil)
		_, myFence, err := locker.Lock(e.ctx, mine, opt)
		e.wants("Lock of the same id under the other manager", err, nil)
		e.wants("Unlock", locker.Unlock(e.ctx, other, fence), nil)
		e.wants("Renew after Unlock under the other manager", locker.Renew(e.ctx, mine, myFence, e.now(), e.unit), nil)
	}
	e.wantIDs("with one session each", "mine", "same")
	e.wantIDs("with one session each", "other", "same")
	rotated := e.beside(other, "rotated")
	e.rotate(other, rotated.ID, 1000*e.unit)
	undisturbed("Rotate")
	e.wantIDs("after Rotate", "other", rotated.ID)
	e.create(core.Key{Manager: "mine", ID: rotated.ID}, e.record("n", "mine too"))
	e.wantStored("the same id after Create", rotated, 2, "n", "changed")
	e.delete(rotated)
	undisturbed("Delete")
	e.wantIDs("after Delete", "mine", rotated.ID, "same")
	e.wantIDs("after Delete", "other")
	e.wantIDs("of a manager that never was", "never")
}

func checkHostileKeys(e *env) {
	long := strings.Repeat("k", 4<<10)
	longest := strings.Repeat("k", 64<<10)
	keys := []core.Key{
		{Manager: "app", ID: ""}, {Manager: "", ID: "app"}, {Manager: "", ID: ""},
		{Manager: "ab", ID: "c"}, {Manager: "a", ID: "bc"}, {Manager: "abc", ID: ""}, {Manager: "", ID: "abc"},
		{Manager: "app", ID: "a"}, {Manager: "app", ID: "A"}, {Manager: "APP", ID: "a"},
		{Manager: "app", ID: "a "}, {Manager: "app", ID: " a"}, {Manager: "app", ID: "a."}, {Manager: "app", ID: "a\x00"},
		{Manager: "app", ID: "a\n"}, {Manager: "app", ID: "a\r\n"}, {Manager: "app", ID: "a\x00b"}, {Manager: "app\x00a", ID: "b"},
		{Manager: "app", ID: "."}, {Manager: "app", ID: ".."}, {Manager: "app", ID: "../x"}, {Manager: "app", ID: "../app/a"},
		{Manager: "..", ID: "a"}, {Manager: "../app", ID: "a"}, {Manager: "app/..", ID: "a"}, {Manager: "app/../app", ID: "a"},
		{Manager: "app", ID: "/"}, {Manager: "app", ID: "/etc/passwd"}, {Manager: "app", ID: "x/a"}, {Manager: "app/x", ID: "a"},
		{Manager: "app", ID: "x\\a"}, {Manager: "app", ID: "C:\\x"}, {Manager: "app", ID: "nul"}, {Manager: "app", ID: "~"},
		{Manager: "app", ID: "x:a"}, {Manager: "app:x", ID: "a"}, {Manager: "app", ID: "x|a"}, {Manager: "app|x", ID: "a"},
		{Manager: "app", ID: "{a}"}, {Manager: "app", ID: "{a"}, {Manager: "{app}", ID: "a"}, {Manager: "{app", ID: "}a"},
		{Manager: "app", ID: "*"}, {Manager: "app", ID: "?"}, {Manager: "app", ID: "[a]"}, {Manager: "*", ID: "a"},
		{Manager: "app", ID: "\""}, {Manager: "app", ID: "'"}, {Manager: "app", ID: "a'; --"}, {Manager: "app", ID: "$(a)"},
		{Manager: "app", ID: "%61"}, {Manager: "app", ID: "%2e%2e"}, {Manager: "app", ID: "\x80"}, {Manager: "app", ID: "\x81"},
		{Manager: "app", ID: "\ufffd"}, {Manager: "app", ID: "\xc3\x28"}, {Manager: "\x80", ID: "a"}, {Manager: "\ufffd", ID: "a"},
		{Manager: "app", ID: "\u00e9"}, {Manager: "app", ID: "e\u0301"}, {Manager: "app", ID: "\u00c9"},
		{Manager: "app", ID: long}, {Manager: "app", ID: long + "1"}, {Manager: "app", ID: long + "2"}, {Manager: long, ID: "a"},
		{Manager: "app", ID: longest[1:] + "1"}, {Manager: "app", ID: longest[1:] + "2"}, {Manager: longest, ID: "a"},
	}
	held := make(map[core.Key]string)
	for i, k := range keys {
		if rec, err := e.peek(k); err == nil {
			e.Errorf("key %.40q holds %s before it was created", k, short(rec.Values))
		}
		data := fmt.Sprintf("data of key %d", i)
		err := e.st().Create(e.ctx, k, e.record("n", data))
		switch {
		case errors.Is(err, core.ErrExists):
			e.Errorf("key %.40q is taken for another: %v", k, err)
		case err != nil:
			e.Logf("key %.40q is refused: %v", k, err)
		default:
			held[k] = data
		}
	}
	e.wantHeld("after Create", keys, held)
	for k := range held {
		e.touch(k)
		held[k] += ", saved"
		e.save(k, e.set("n", held[k]))
	}
	e.wantHeld("after Save", keys, held)
	for i, k := range keys {
		if _, ok := held[k]; ok && i%2 == 0 {
			e.delete(k)
			delete(held, k)
		}
	}
	e.wantHeld("after Delete of every other one", keys, held)
}

func (e *env) wantHeld(what string, keys []core.Key, held map[core.Key]string) {
	e.Helper()
	ids := make(map[string][]string)
	for _, k := range keys {
		if _, ok := ids[k.Manager]; !ok {
			ids[k.Manager] = nil // managers that hold nothing are checked too
		}
		rec, err := e.peek(k)
		want, ok := held[k]
		if !ok {
			if err == nil {
				e.Errorf("%s: key %.40q, which is not stored, holds %s", what, k, short(rec.Values))
			}
			continue
		}
		if got, _ := rec.Values.Get("n"); err != nil || got != want {
			e.Errorf("%s: key %.40q holds %q (%v), want %q", what, k, got, err, want)
		}
		ids[k.Manager] = append(ids[k.Manager], k.ID)
	}
	for manager, want := range ids {
		e.wantIDs(what, manager, want...)
	}
}

// wantIDs checks what a Lister lists and counts; other stores pass.
func (e *env) wantIDs(what, manager string, want ...string) {
	e.Helper()
	lister, ok := e.st().(core.Lister)
	if !ok {
		return
	}
	got, err := collect(lister.IDs(e.ctx, manager, e.now()))
	e.wants(what+": IDs", err, nil)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.Errorf("%s: manager %.40q has ids %.200q, want %.200q", what, manager, got, want)
	}
	n, err := lister.Count(e.ctx, manager, e.now())
	e.wants(what+": Count", err, nil)
	if n != len(want) {
		e.Errorf("%s: manager %.40q has %d sessions, want %d", what, manager, n, len(want))
	}
}
