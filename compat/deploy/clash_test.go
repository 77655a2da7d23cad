package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"
)

const twoNotes = "[composite:main]\nuse = urlmap\n/blog/alice = alice\n/blog/bob = bob\n[app:alice]\nuse = notes\n%A\n[app:bob]\nuse = notes\n%B\n"

func two(alice, bob string) string {
	return strings.NewReplacer("%A", alice, "%B", bob).Replace(twoNotes)
}

// Two copies of an application with ids of their own never see each other's data; with one id, which the file has to ask
// for in both, they do.
func TestShare(t *testing.T) {
	c := client{h: load(t, two("", "")+stores)}
	c.get("/blog/alice?note=tea")
	c.get("/blog/bob?note=milk")
	if got := body(c.get("/blog/alice")); got != "alice note: tea" {
		t.Errorf("apart: %q", got)
	}
	shared := "manager = blog\nshare = yes\ncookie_path = /blog"
	c = client{h: load(t, two(shared, shared)+stores)}
	c.get("/blog/alice?note=tea")
	c.get("/blog/bob?note=milk")
	if got := body(c.get("/blog/alice")); got != "alice note: milk" {
		t.Errorf("with one id: %q; they should have overwritten each other", got)
	}
}

func TestClashes(t *testing.T) {
	folder := t.TempDir()
	one := "[store:a]\nurl = file:" + folder + "\n"
	same := "[store:b]\nurl = file://" + filepath.Dir(folder) + "/./" + filepath.Base(folder) + "\n"
	for _, tt := range []struct {
		name, text string
		want       string // "" if there is no mistake
	}{
		{"apart", two("", "") + stores, ""},
		{"one manager id", two("manager = blog", "manager = blog") + stores, "manager: it would have the same sessions as [alice] in line 5"},
		{"only one says share", two("manager = blog\nshare = yes", "manager = blog") + stores, "manager: it would have"},
		{"both say share", two("manager = blog\nshare = yes", "manager = blog\nshare = yes") + stores, ""},
		{"one manager id by the name of the other", two("", "manager = alice") + stores, "manager: it would have"},
		{"one id in two stores", two("manager = x\nstore = main", "manager = x\nstore = b") + stores + "[store:b]\nurl = memory:\n", ""},
		{"one id in one place by two names", two("manager = x\nstore = a", "manager = x\nstore = b") + one + strings.Replace(same, "file://", "file:", 1), "same place"},
		{"share, but differ", two("manager = x\nshare = yes\nlocking = lossy\nidle_timeout = 1m", "manager = x\nshare = yes") + stores, "has another locking, idle_timeout"},
		{"one cookie on one path", two("cookie_path = /", "cookie_path = /blog") + stores, "cookie sid clashes with that of [alice]"},
		{"paths that only look alike", strings.ReplaceAll(two("", ""), "/blog/bob", "/blog/alice2") + stores, ""},
		{"a path in a path", strings.ReplaceAll(two("", ""), "/blog/bob", "/blog/alice/bob") + stores, "clashes"},
		{"other names", two("cookie_path = /", "cookie_path = /\ncookie_name = other") + stores, ""},
		{"a clash that is wanted", two("cookie_path = /\nshare = yes", "cookie_path = /\nshare = yes") + stores, ""},
		{"two hosts", strings.NewReplacer("/blog/alice ", "domain a.org / ", "/blog/bob ", "domain b.org / ").Replace(two("", "")) + stores, ""},
		{"a host and any", strings.NewReplacer("/blog/alice ", "domain a.org /blog/x ", "/blog/bob ", "/blog ").Replace(two("", "")) + stores, "clashes"},
		{"any, but not there", strings.NewReplacer("/blog/alice ", "domain a.org / ", "/blog/bob ", "/blog ").Replace(two("", "")) + stores, ""},
		{"any, with a domain", strings.NewReplacer("/blog/alice ", "domain a.x.org / ", "/blog/bob ", "domain b.x.org /blog ").
			Replace(two("cookie_domain = x.org", "")) + stores, "clashes"},
		{"two ports of a host", strings.NewReplacer("/blog/alice ", "domain a.org port 1 / ", "/blog/bob ", "domain a.org port 2 / ").Replace(two("", "")) + stores, "clashes"},
		{"a domain around both hosts", strings.NewReplacer("/blog/alice ", "domain a.x.org / ", "/blog/bob ", "domain b.x.org / ").
			Replace(two("cookie_domain = x.org", "")) + stores, "clashes"},
		{"a domain around one host", strings.NewReplacer("/blog/alice ", "domain a.x.org / ", "/blog/bob ", "domain b.org / ").
			Replace(two("cookie_domain = x.org", "")) + stores, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				load(t, tt.text)
				return
			}
			all := mistakes(t, tt.text)
			if !strings.Contains(all.Error(), tt.want) {
				t.Errorf("got\n%v\nwant %q", all, tt.want)
			}
		})
	}
}
