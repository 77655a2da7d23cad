package redisstore_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/core"
	"github.com/holdover-web/holdover/core/redisstore"
)

// page is a file of docs/, which these tests hold to the code.
type page string

func readPage(t *testing.T, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	ok(t, err)
	return page(text)
}

// table returns the cells below the heads of the table that begins with these heads.
func (p page) table(t *testing.T, heads ...string) (rows [][]string) {
	t.Helper()
	_, rest, found := strings.Cut(string(p), "\n| "+strings.Join(heads, " | ")+" |\n")
	if !found {
		t.Fatalf("there is no table of %q", heads)
	}
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if !strings.HasPrefix(cells[0], "---") {
			rows = append(rows, cells)
		}
	}
	return rows
}

// block returns what stands in the first block of that kind.
func (p page) block(t *testing.T, kind string) string {
	t.Helper()
	_, rest, found := strings.Cut(string(p), "```"+kind+"\n")
	text, _, ends := strings.Cut(rest, "```")
	if !found || !ends {
		t.Fatalf("there is no block of %s", kind)
	}
	return text
}

// bare is a cell without backticks.
func bare(cell string) string { return strings.Trim(cell, "`") }

// words is a text with its line breaks and indentation reduced to single spaces.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// luaSource returns the text of a file as it is in the folder.
func luaSource(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("lua", name+".lua"))
	ok(t, err)
	return string(text)
}

// TestProtocolHead compares the page's table of the head with its example, with the Go code and with the scripts.
func TestProtocolHead(t *testing.T) {
	p := readPage(t, "redis-protocol.md")
	stored, err := hex.DecodeString(strings.Join(strings.Fields(p.block(t, "hex")), ""))
	ok(t, err)
	rec, reason := redisstore.Decode(stored)
	if reason != "" {
		t.Fatalf("the example is no session: %s", reason)
	}
	want := map[int]any{ // what Go reads, by the offset that the page gives
		4: rec.Version, 12: rec.Created.UnixMicro(), 20: rec.Accessed.UnixMicro(), 28: int64(rec.Idle), 36: rec.Ends.UnixMicro(),
		60: len(rec.Values), 64: len(redisstore.EncodeItems(rec.Values)),
	}
	format, at := ">", 0
	for _, row := range p.table(t, "offset", "bytes", "type", "field", "example") {
		offset, err := strconv.Atoi(row[0])
		ok(t, err)
		size, err := strconv.Atoi(row[1])
		ok(t, err)
		if offset != at {
			t.Fatalf("%s: at %d, the field before it ends at %d", row[3], offset, at)
		}
		at += size
		field := stored[offset:at]
		shown := hex.EncodeToString(field)
		switch row[2] {
		case "text":
			shown = string(field)
		case "uint":
			shown = fmt.Sprint(binary.BigEndian.Uint64(append(make([]byte, 8-size), field...)))
		}
		if offset >= 4 && offset < 76 {
			format += map[string]string{"uint": "I", "bytes": "c"}[row[2]] + row[1]
		}
		if shown != bare(row[4]) {
			t.Errorf("%s: the table says %s, the example has %s", row[3], row[4], shown)
		}
		if v, isRead := want[offset]; isRead && shown != fmt.Sprint(v) {
			t.Errorf("%s: the table says %s, Go reads %v", row[3], shown, v)
		}
	}
	if head := luaSource(t, "head"); at != headSize || !strings.Contains(head, fmt.Sprintf("local HEAD = %d\n", at)) ||
		!strings.Contains(head, "local FIELDS = '"+format+"'") {
		t.Errorf("head.lua does not have a head of %d bytes with the fields %s", at, format)
	}
	values := core.Values{{Name: "user", Data: "\x63ada"}, {Name: "visits", Data: "\x05"}}
	if diff := cmp.Diff(values, rec.Values); diff != "" {
		t.Errorf("the example's items (-want +got):\n%s", diff)
	}
}

// TestProtocolOffsets finds every place at which scripts write into a head.
func TestProtocolOffsets(t *testing.T) {
	fields := make(map[string]bool)
	for _, row := range readPage(t, "redis-protocol.md").table(t, "offset", "bytes", "type", "field", "example") {
		fields[row[0]] = true
	}
	fields["128"], fields["place"] = true, true // the items, and one of them
	for _, text := range redisstore.ScriptTexts() {
		for _, m := range regexp.MustCompile(`'SETRANGE', [^,]+, (\w+)`).FindAllStringSubmatch(text, -1) {
			if m[1] == "HEAD" {
				m[1] = "128"
			}
			if !fields[m[1]] {
				t.Errorf("a script writes at %s, where the page has no field: %s", m[1], m[0])
			}
		}
	}
	first, last := 76+1, 76+48 // Lua counts from one
	if nonces := fmt.Sprintf("local RING, LAST = %d, %d\n", first, last); !strings.Contains(luaSource(t, "nonce"), nonces) {
		t.Errorf("nonce.lua has not %s", nonces)
	}
}

// TestProtocolScripts checks that the page says of each script what its file says, and has no other.
func TestProtocolScripts(t *testing.T) {
	p := readPage(t, "redis-protocol.md")
	files, err := filepath.Glob("lua/*.lua")
	ok(t, err)
	var parts int
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".lua")
		about := interfaceOf(luaSource(t, name))
		_, section, found := strings.Cut(string(p), "\n### "+name+"\n")
		if about == "" {
			if parts++; found || !strings.Contains(string(p), "`"+name+"`") {
				t.Errorf("%s is a part of scripts; the page should name it as that", name)
			}
			continue
		}
		if !found {
			t.Errorf("the page has no section on %s", name)
			continue
		}
		section, _, _ = strings.Cut(section, "\n#")
		if got, want := words(page(section).block(t, "text")), words(about); got != want {
			t.Errorf("%s (-file +page):\n%s", name, cmp.Diff(want, got))
		}
	}
	if sections := strings.Count(string(p), "\n### "); sections != len(files)-parts {
		t.Errorf("the page has %d scripts, there are %d", sections, len(files)-parts)
	}
}

// interfaceOf returns the comments of a script from KEYS on, or "" for a part of scripts.
func interfaceOf(text string) string {
	var about strings.Builder
	for line := range strings.Lines(text) {
		comment, isComment := strings.CutPrefix(line, "-- ")
		switch {
		case isComment && (about.Len() > 0 || strings.HasPrefix(comment, "KEYS:")):
			about.WriteString(comment)
		case about.Len() > 0:
			return about.String()
		}
	}
	return ""
}

// TestProtocolReplies checks that the page explains each word that a script replies, and which errors pass.
func TestProtocolReplies(t *testing.T) {
	explained, used := make(map[string]bool), make(map[string]bool)
	for _, row := range readPage(t, "redis-protocol.md").table(t, "reply", "means", "do") {
		if word := regexp.MustCompile("^`{(\\w+)").FindStringSubmatch(row[0]); word != nil {
			explained[word[1]] = true
		} else if strings.Contains(row[0], "`LOADING`") {
			for _, word := range regexp.MustCompile("`([A-Z]+)`").FindAllStringSubmatch(row[0], -1) {
				if again, _ := redisstore.Transient(word[1] + " for some reason"); !again {
					t.Errorf("the page says that %s passes", word[1])
				}
			}
		}
	}
	for _, text := range redisstore.ScriptTexts() {
		for _, m := range regexp.MustCompile(`\{ '(\w+)'`).FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
	}
	if diff := cmp.Diff(used, explained); diff != "" || len(used) < 5 {
		t.Errorf("replies (-scripts +page):\n%s", diff)
	}
}

func TestProtocolKeys(t *testing.T) {
	for _, row := range readPage(t, "redis-protocol.md").table(t, "manager", "id", "key") {
		id := bare(row[1])
		start, _ := redisstore.PlaceOf("holdover:", bare(row[0]), crc32.ChecksumIEEE([]byte(id))%256, 256)
		if got := start + "s:" + id; got != bare(row[2]) {
			t.Errorf("manager %s: the key is %s, the page says %s", row[0], got, row[2])
		}
		if !core.RandomIDs().Valid(id) {
			t.Errorf("%s is no id that managers make by default", id)
		}
	}
}

// TestProtocolValues checks the table of encoded values.
func TestProtocolValues(t *testing.T) {
	values := []any{nil, true, 5, -500, 2.0, "tea", []byte("ab"), []any{1, "a"}, map[string]any{"a": 1, "b": 2},
		time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), int64(5), time.Minute, []string{"x"}}
	rows := readPage(t, "redis-protocol.md").table(t, "Go value", "CBOR", "JSON")
	if len(rows) != len(values) {
		t.Fatalf("the page has %d values, this test %d", len(rows), len(values))
	}
	for i, row := range rows {
		inCBOR, err := core.CBOR().Encode(values[i])
		ok(t, err)
		inJSON, err := core.JSON().Encode(values[i])
		ok(t, err)
		if got := hex.EncodeToString([]byte(inCBOR)); got != bare(row[1]) || inJSON != bare(row[2]) {
			t.Errorf("%s: it is %s and %s, the page says %s and %s", row[0], got, inJSON, row[1], row[2])
		}
	}
}
