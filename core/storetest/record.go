package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

var recordPromises = []promise{
	{"Create", "A new record is stored as it is given, with version 1 whatever version it carries.", checkCreate},
	{"CreateExists", "Creating under a key that is in use says ErrExists and leaves the session there as it was.", checkCreateExists},
	{"Absent", "What is not there is not found, gone for those who write, and nothing to delete; and none of them makes a record.", checkAbsent},
	{"UTC", "All times come back in UTC, whatever the machine's time zone is.", checkUTC},
	{"Merge", "A save writes the names in Set, removes those in Delete and leaves the others alone. Values stay sorted by name, each once.", checkMerge},
	{"Replace", "A save with Replace removes every name that is not in Set.", checkReplace},
	{"Version", "Each save makes the version one larger and returns it, also a save that changes nothing.", checkVersion},
	{"SetIdle", "A save changes the idle timeout when and only when SetIdle is set.", checkSetIdle},
	{"MaxSize", "A save that would exceed MaxSize says ErrTooLarge and changes nothing. Reaching it exactly is fine.", checkMaxSize},
	{"Bytes", "Names and data are bytes and come back exactly: any byte, any name, a megabyte, thousands of names.", checkBytes},
	{"Ownership", "The store neither keeps nor changes the Change and the Delete list it was given: the caller may use them again.", checkOwnership},
	{"Snapshot", "A record that was loaded does not change when the session does.", checkSnapshot},
	{"Delete", "Delete removes the session and returns it as it last was; a second one returns nothing.", checkDelete},
	{"ErrorsHideIDs", "An id is a secret: no error text contains one.", checkErrorsHideIDs},
}

func checkCreate(e *env) {
	rec := e.record("name", "data", "other", "")
	rec.Version = 7
	rec.Created = rec.Created.Add(-time.Hour - 1)
	rec.Idle = 1000*e.unit + 1
	rec.Ends = e.now().Add(2000*e.unit + 1)
	e.create(key("a"), rec)
	rec.Version = 1
	e.wantRecord("after Create", e.load(key("a")), rec)

	empty := e.record()
	e.create(key("b"), empty)
	empty.Version = 1
	e.wantRecord("after Create without values", e.load(key("b")), empty)
}

func checkCreateExists(e *env) {
	e.create(key("a"), e.record("name", "first"))
	e.save(key("a"), e.set("name", "second"))
	before := e.load(key("a"))
	e.wants("Create on a used key", e.st().Create(e.ctx, key("a"), e.record("name", "third")), core.ErrExists)
	e.wantRecord("after the refused Create", e.load(key("a")), before)
}

func checkAbsent(e *env) {
	k := key("absent")
	b := e.beside(k, "b")
	_, err := e.peek(k)
	e.wants("Load", err, core.ErrNotFound)
	_, err = e.st().Save(e.ctx, k, e.set("name", "data"))
	e.wants("Save", err, core.ErrGone)
	e.wants("Touch", e.st().Touch(e.ctx, k, e.now()), core.ErrGone)
	e.wants("Rotate", e.st().Rotate(e.ctx, k, core.Rotation{Now: e.now(), To: b.ID, Grace: e.unit}), core.ErrGone)
	if _, ok, err := e.st().Delete(e.ctx, k, e.now()); ok || err != nil {
		e.Errorf("Delete: ok %v, error %v; want neither", ok, err)
	}
	e.wantNothing("afterwards", k)
	e.wantNothing("after Rotate", b)
}

func checkUTC(e *env) {
	rec := e.idle(1000 * e.unit)
	rec.Ends = e.now().Add(1000 * e.unit)
	e.create(key("a"), rec)
	e.touch(key("a"))
	e.save(key("a"), e.set("n", "1"))
	rec = e.load(key("a"))
	for name, at := range map[string]time.Time{"Created": rec.Created, "Accessed": rec.Accessed, "Ends": rec.Ends} {
		if at.Location() != time.UTC {
			e.Errorf("%s is in %v, want UTC", name, at.Location())
		}
	}
}

func checkMerge(e *env) {
	for _, tt := range []struct {
		name   string
		set    core.Values
		delete []string
		want   core.Values
	}{
		{"nothing", nil, nil, values("b", "1", "d", "2", "f", "3")},
		{"change one", values("d", "new"), nil, values("b", "1", "d", "new", "f", "3")},
		{"new first", values("a", "new"), nil, values("a", "new", "b", "1", "d", "2", "f", "3")},
		{"new between and last", values("c", "4", "g", "5"), nil, values("b", "1", "c", "4", "d", "2", "f", "3", "g", "5")},
		{"empty data", values("d", ""), nil, values("b", "1", "d", "", "f", "3")},
		{"delete one", nil, []string{"d"}, values("b", "1", "f", "3")},
		{"delete all", nil, []string{"b", "d", "f"}, nil},
		{"delete what is not there", nil, []string{"a", "c", "g"}, values("b", "1", "d", "2", "f", "3")},
		{"set and delete", values("a", "new", "f", "new"), []string{"b", "e"}, values("a", "new", "d", "2", "f", "new")},
	} {
		k := key(tt.name)
		e.create(k, e.record("b", "1", "d", "2", "f", "3"))
		e.save(k, &core.Change{Now: e.now(), Set: tt.set, Delete: tt.delete})
		if got := e.load(k).Values; !slices.Equal(got, tt.want) {
			e.Errorf("%s: values %s, want %s", tt.name, short(got), short(tt.want))
		}
	}
}

func checkReplace(e *env) {
	e.create(key("a"), e.record("b", "1", "d", "2"))
	e.save(key("a"), &core.Change{Now: e.now(), Set: values("a", "3", "d", "4"), Replace: true})
	e.wantStored("after replacing", key("a"), 2, "a", "3", "d", "4")
	e.save(key("a"), &core.Change{Now: e.now(), Replace: true})
	e.wantStored("after replacing by nothing", key("a"), 3)
}

func checkVersion(e *env) {
	e.create(key("a"), e.record("n", "0"))
	changes := []*core.Change{e.set("n", "1"), {Now: e.now()}, {Now: e.now(), Delete: []string{"x"}}, {Now: e.now(), Replace: true}}
	for i, c := range changes {
		want := uint64(i + 2)
		if got := e.save(key("a"), c); got != want {
			e.Errorf("save %d returns version %d, want %d", i, got, want)
		}
		if got := e.load(key("a")).Version; got != want {
			e.Errorf("after save %d the version is %d, want %d", i, got, want)
		}
	}
}

func checkSetIdle(e *env) {
	e.create(key("a"), e.idle(500*e.unit))
	for _, tt := range []struct {
		set        bool
		idle, want time.Duration
	}{
		{false, 0, 500 * e.unit},
		{false, 700 * e.unit, 500 * e.unit},
		{true, 600*e.unit + 1, 600*e.unit + 1},
		{true, 0, 0},
		{true, 500 * e.unit, 500 * e.unit},
	} {
		e.save(key("a"), &core.Change{Now: e.now(), SetIdle: tt.set, Idle: tt.idle})
		if got := e.load(key("a")).Idle; got != tt.want {
			e.Errorf("after a save with SetIdle %v, Idle %v the idle timeout is %v, want %v", tt.set, tt.idle, got, tt.want)
		}
	}
}

func checkMaxSize(e *env) {
	e.create(key("a"), e.record("a", "12345", "b", "12345")) // 12 bytes
	for _, tt := range []struct {
		name string
		c    core.Change
		want error
	}{
		{"merge to one too many", core.Change{Set: values("c", "1234567")}, core.ErrTooLarge},
		{"replace by one too many", core.Change{Set: values("c", "1234567890123456789"), Replace: true, MaxSize: 19}, core.ErrTooLarge},
		{"merge to the limit", core.Change{Set: values("c", "123456")}, nil},
		{"one for another", core.Change{Set: values("d", "123456"), Delete: []string{"c"}}, nil},
		{"replace to the limit", core.Change{Set: values("c", "123456789012345678"), Replace: true}, nil},
	} {
		before := e.load(key("a"))
		tt.c.Now = e.now()
		if tt.c.MaxSize == 0 {
			tt.c.MaxSize = 19
		}
		_, err := e.st().Save(e.ctx, key("a"), &tt.c)
		e.wants(tt.name, err, tt.want)
		if tt.want != nil {
			e.wantRecord(tt.name+": afterwards", e.load(key("a")), before)
		}
	}
}

func checkBytes(e *env) {
	all := make([]byte, 0, 512)
	for i := range 512 {
		all = append(all, byte(i))
	}
	many := make(core.Values, 5000)
	for i := range many {
		many[i] = core.Item{Name: fmt.Sprintf("name%05d", i), Data: fmt.Sprint(i)}
	}
	for what, v := range map[string]core.Values{
		"every byte in data":   values("n", string(all)),
		"every byte in a name": values(string(all), "data"),
		"empty name":           values("", "data", "n", "more"),
		"empty data":           values("m", "", "n", ""),
		"invalid UTF-8":        values("\x80", "\xff\xfe", "\xc3", "\xc3\x28"),
		"line ends and NUL":    values("\x00", "\r\n\x00", "\r\n", "\n", "\r\n\r\n", "\x00"),
		"markup":               values("\"", "'", "$&{}[]", "{\"a\":1}", "%00", "<!--", "..", "../../x", "/", "\\"),
		"same but for the end": values("n", "1", "n ", "2", "n\x00", "3", "n\x00\x00", "4", "N", "5"),
		"64 KiB name":          values(strings.Repeat("n", 64<<10), "data"),
		"a megabyte":           values("n", strings.Repeat(string(all), 2048)),
		"five thousand names":  many,
	} {
		created, saved := key("created "+what), key("saved "+what)
		rec := e.record()
		rec.Values = v
		e.create(created, rec)
		e.create(saved, e.record())
		e.save(saved, &core.Change{Now: e.now(), Set: v})
		for how, k := range map[string]core.Key{"created": created, "saved": saved} {
			if got := e.load(k).Values; !slices.Equal(got, v) {
				e.Errorf("%s, %s: values %s, want %s", what, how, short(got), short(v))
			}
		}
	}
}

func checkOwnership(e *env) {
	e.create(key("a"), e.record("a", "1", "b", "2", "c", "3"))
	c := &core.Change{Now: e.now(), Set: values("d", "4"), Delete: []string{"a", "b"}, MaxSize: 1000}
	e.save(key("a"), c)
	if !slices.Equal(c.Delete, []string{"a", "b"}) || !slices.Equal(c.Set, values("d", "4")) || c.Replace || c.MaxSize != 1000 {
		e.Errorf("Save changed its argument to %+v", *c)
	}
	c.Delete[0], c.Delete[1] = "c", "d"
	c.Set, c.Replace = nil, true
	e.wantStored("after the caller used the Change again", key("a"), 2, "c", "3", "d", "4")
}

func checkSnapshot(e *env) {
	e.create(key("a"), e.record("a", "1", "b", "2"))
	loaded := e.load(key("a"))
	e.save(key("a"), &core.Change{Now: e.now(), Set: values("a", "9", "c", "3"), Delete: []string{"b"}})
	deleted := e.delete(key("a"))
	if !slices.Equal(loaded.Values, values("a", "1", "b", "2")) || loaded.Version != 1 {
		e.Errorf("the record that was loaded first reads %s now", short(loaded.Values))
	}
	if !slices.Equal(deleted.Values, values("a", "9", "c", "3")) {
		e.Errorf("the deleted record reads %s", short(deleted.Values))
	}
}

func checkDelete(e *env) {
	e.create(key("a"), e.idle(1000*e.unit, "n", "1"))
	e.create(key("b"), e.record("n", "other"))
	e.advance(e.unit)
	e.save(key("a"), e.set("n", "2"))
	want := e.load(key("a"))
	e.wantRecord("what Delete returns", e.delete(key("a")), want)
	e.wantNothing("after Delete", key("a"))
	if _, ok, err := e.st().Delete(e.ctx, key("a"), e.now()); ok || err != nil {
		e.Errorf("the second Delete: ok %v, error %v; want neither", ok, err)
	}
	e.wantStored("another session", key("b"), 1, "n", "other")
	e.create(key("a"), e.record("n", "new"))
	e.wantStored("a new session under the id", key("a"), 1, "n", "new")
}

func checkErrorsHideIDs(e *env) {
	was, absent := key("SECRET-WAS"), key("SECRET-GONE")
	moved, secret := e.beside(was, "SECRET-TWO"), e.beside(was, "SECRET-ONE")
	e.create(was, e.record())
	e.rotate(was, moved.ID, 1000*e.unit)
	e.create(secret, e.record())
	errs := map[string]error{}
	_, errs["Load of an absent one"] = e.peek(absent)
	_, errs["Load of a rotated one"] = e.peek(was)
	_, errs["Save of an absent one"] = e.st().Save(e.ctx, absent, e.set("n", "1"))
	c := e.set("n", "1")
	c.Version = 5
	_, errs["Save with a conflict"] = e.st().Save(e.ctx, secret, c)
	c = e.set("n", "1")
	c.Fence = 12345678
	_, errs["Save without the lock"] = e.st().Save(e.ctx, secret, c)
	errs["Create of a used one"] = e.st().Create(e.ctx, secret, e.record())
	errs["Touch of an absent one"] = e.st().Touch(e.ctx, absent, e.now())
	errs["Rotate to a used one"] = e.st().Rotate(e.ctx, moved, core.Rotation{Now: e.now(), To: secret.ID})
	_, _, errs["Delete of a rotated one"] = e.st().Delete(e.ctx, was, e.now())
	for what, err := range errs {
		if err == nil {
			e.Errorf("%s: no error", what)
		} else if strings.Contains(err.Error(), "SECRET") {
			e.Errorf("%s: the error text contains an id: %v", what, err)
		}
	}
}
