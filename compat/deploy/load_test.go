package deploy_test

import (
	"strings"
	"testing"
)

const stores = "[store:main]\nurl = memory:\n"

func TestDispatch(t *testing.T) {
	site := load(t, stores+`
[DEFAULT]
greeting = note of %(who)s
who = nobody

[composite:main]
use = egg:Paste#urlmap
set who = somebody
/ = root
/alice = alice
/bob = bob
/a = nested
domain shop.example /x = shop
/try = try
/piped = piped
/wrapped = wrapped
not_found_app = lost

[app:root]
use = hello

[app:alice]
use = notes

[app:bob]
use = app:alice
set greeting = Bob's note

[composite:nested]
use = urlmap
/b = deep
[app:deep]
use = hello
word = deep
[app:shop]
use = hello
word = shop
[composite:try]
use = cascade
app1 = none
app2 = deeper
[app:none]
use = missing
[app:deeper]
use = deep
word = second
[app:lost]
use = missing

[pipeline:piped]
pipeline = outer
	# a comment inside
	tag deep2
[app:deep2]
use = hello
[filter:outer]
use = tag
word = one
[filter-app:wrapped]
use = tag
word = wrapped
next = slashed
[app:slashed]
use = hello
filter-with = addslash
`)
	for _, tt := range []struct{ url, want string }{
		{"/", "hello script= path=/"},
		{"/nowhere", "hello script= path=/nowhere"},
		{"/a/b/c", "deep script=/a/b path=/c"},
		{"http://shop.example/x/y", "shop script=/x path=/y"},
		{"http://other.example/x/y", "hello script= path=/x/y"},
		{"/try/it", "second script=/try path=/it"},
		{"/alice", "alice note of nobody: "},
		{"/bob", "bob Bob's note: "},
		{"/piped/x", "hello script=/piped path=/x"},
		{"/wrapped/", "hello script=/wrapped path=/"},
	} {
		c := client{h: site}
		if got := body(c.get(tt.url)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.url, got, tt.want)
		}
	}
	c := client{h: site}
	if got := strings.Join(c.get("/piped/").Header["X-Tag"], " "); got != "one tag" {
		t.Errorf("filters: %q", got)
	}
	res := c.get("/wrapped")
	if res.StatusCode != 301 || res.Header.Get("Location") != "/wrapped/" || res.Header.Get("X-Tag") != "wrapped" {
		t.Errorf("slash: %d %v", res.StatusCode, res.Header)
	}
	c.get("/alice?note=tea")
	if got := body(c.get("/alice")); got != "alice note of nobody: tea" {
		t.Errorf("alice: %q", got)
	}
	if got := body(c.get("/bob")); got != "bob Bob's note: " {
		t.Errorf("bob sees %q", got)
	}
	var table strings.Builder
	if err := site.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	t.Log(table.String())
}
