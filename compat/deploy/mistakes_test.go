package deploy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/compat/deploy"
)

// mistakes loads a configuration that is wrong.
func mistakes(t *testing.T, text string, overrides ...deploy.Override) deploy.Mistakes {
	t.Helper()
	l := loader(t)
	l.Overrides = overrides
	site, err := l.Load(t.Context(), deploy.FromFile(write(t, text)))
	if err == nil {
		_ = site.Close(t.Context())
		t.Fatal("it was taken")
	}
	all, ok := errors.AsType[deploy.Mistakes](err)
	if !ok {
		t.Fatal(err)
	}
	return all
}

// maps is so many maps in each other, each of which has two places for the next one.
func maps(n int) string {
	text := "[composite:main]\nuse = urlmap\n/ = m0\n"
	for i := range n {
		text += fmt.Sprintf("[composite:m%d]\nuse = urlmap\n/a = m%d\n/b = m%[2]d\n", i, i+1)
	}
	return text + fmt.Sprintf("[app:m%d]\nuse = hello\n", n)
}

const oneApp = "[app:main]\nuse = notes\n" // and more lines from the third on

const testKey = "0123456789abcdef0123456789abcdef"

// hostsSection is a hand-over, with room for more lines.
const hostsSection = "[handover:hosts]\nsites = http://a http://b\nkey = " + testKey + "\n"

func TestMistakes(t *testing.T) {
	folder := t.TempDir()
	for _, tt := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"no main", stores, 0, "no application section of the name main"},
		{"syntax", oneApp + "oops\n" + stores, 3, "no section, key = value"},
		{"interpolation", oneApp + "greeting = %(nobody)s\n" + stores, 3, `greeting: there is no "nobody"`},
		{"section kind", oneApp + stores + "[ap:x]\n", 5, "did you mean app?"},
		{"section without name", oneApp + stores + "[app]\n", 5, "[app:main]"},
		{"Python's logging", oneApp + stores + "[handler_console]\n", 5, "logging of Python"},
		{"one name twice", oneApp + stores + "[composite:main]\n", 5, "in line 1 have the same name"},
		{"no use", "[app:main]\n", 1, "write use = NAME"},
		{"unknown use", "[app:main]\nuse = note\n" + stores, 2, "did you mean notes?"},
		{"an egg", "[app:main]\nuse = egg:Blog\n", 2, "registers Go code by name"},
		{"Python code", "[app:main]\npaste.app_factory = blog:make\n", 2, "registers Go code by name"},
		{"use in a circle", "[app:main]\nuse = app:a\n[app:a]\nuse = app:main\n", 4, "circle"},
		{"apps in a circle", "[composite:main]\nuse = urlmap\n/ = b\n[composite:b]\nuse = urlmap\n/ = main\n", 6, "circle: main, b, main"},
		{"unknown app", "[composite:main]\nuse = urlmap\n/ = aa\n[app:a]\nuse = hello\n", 3, "did you mean a?"},
		{"place taken", "[composite:main]\nuse = urlmap\n/a = a\n/a/ = a\n[app:a]\nuse = hello\n", 4, "taken, in line 3"},
		{"no place", "[composite:main]\nuse = urlmap\na = a\n/ = a\n[app:a]\nuse = hello\n", 3, "slash"},
		{"a URL", "[composite:main]\nuse = urlmap\nhttp://x.y/ = a\n/ = a\n[app:a]\nuse = hello\n", 3, "write domain"},
		{"empty urlmap", "[composite:main]\nuse = urlmap\n", 1, "nothing is mounted"},
		{"empty cascade", "[composite:main]\nuse = cascade\n", 1, "app1 = NAME"},
		{"cascade's statuses", "[composite:main]\nuse = cascade\ncatch = 404, x\napp1 = a\n[app:a]\nuse = hello\n", 3, `"x" is no status`},
		{"cascade's order", "[composite:main]\nuse = cascade\napp2 = a\napp10 = a\n[app:a]\nuse = hello\n", 3, "app02"},
		{"empty pipeline", "[pipeline:main]\n", 1, "pipeline is missing"},
		{"unknown filter", "[pipeline:main]\npipeline = tga a\n[app:a]\nuse = hello\n", 2, "did you mean tag?"},
		{"filter around itself", "[app:main]\nuse = hello\nfilter-with = f\n[filter:f]\nuse = tag\nfilter-with = f\n", 6, "around itself"},
		{"filter's option", "[app:main]\nuse = hello\nfilter-with = f\n[filter:f]\nuse = tag\nwrod = x\n", 6, "did you mean word?"},
		{"lint's checks", "[app:main]\nuse = hello\nfilter-with = f\n[filter:f]\nuse = lint\nignore = header-statu\n", 6, "did you mean header-status?"},
		{"retry inside", "[composite:main]\nuse = urlmap\n/ = a\n[app:a]\nuse = hello\nfilter-with = retry\n", 6, "outermost"},
		{"unknown option", oneApp + "lokcing = merge\n" + stores, 3, "did you mean locking?"},
		{"unknown default", "[DEFAULT]\nlokcing = merge\n" + oneApp + stores, 2, "did you mean locking?"},
		{"default in the way", "[DEFAULT]\nlocking = merge\n" + oneApp + "locking = lossy\n" + stores, 5, `write "set locking"`},
		{"get nothing", oneApp + "get greeting = greetings\n" + stores, 3, "no greetings in [DEFAULT]"},
		{"choice", oneApp + "locking = serialised\n" + stores, 3, "did you mean serialized?"},
		{"bool", oneApp + "share = maybe\n" + stores, 3, "neither yes nor no"},
		{"duration without unit", oneApp + "idle_timeout = 60\n" + stores, 3, "with a unit"},
		{"duration", oneApp + "lock_wait = never\n" + stores, 3, "can not be never"},
		{"number", oneApp + "max_waiters = 0\n" + stores, 3, "at least 1"},
		{"size", oneApp + "max_size = 99999999999GiB\n" + stores, 3, "no size"},
		{"times that fight", oneApp + "idle_timeout = 1m\ntouch_interval = 2m\n" + stores, 1, "not shorter than"},
		{"manager id", oneApp + "manager = a b\n" + stores, 1, "letters, digits"},
		{"cookie", oneApp + "cookie_name = a;b\n" + stores, 1, "no cookie name"},
		{"cookies that browsers drop", oneApp + "cookie_samesite = none\n" + stores, 1, "SecureOn"},
		{"cookie elsewhere", "[composite:main]\nuse = urlmap\n/a = a\n[app:a]\nuse = notes\ncookie_path = /b\n" + stores, 6, "browsers do not send it to /a"},
		{"cookie for others", "[composite:main]\nuse = urlmap\ndomain a.org / = a\n[app:a]\nuse = notes\ncookie_domain = b.org\n" + stores, 6, "do not take"},
		{"carrier", oneApp + "carrier = pigeon\n" + stores, 3, "none of cookie, query, path, field"},
		{"one carrier of two", oneApp + "carrier = cookie, qeury\n" + stores, 3, "did you mean query?"},
		{"a carrier twice", oneApp + "carrier = query path query\n" + stores, 3, "query is there twice"},
		{"no carrier", oneApp + "carrier =\n" + stores, 3, "it is empty"},
		{"carrier's name", oneApp + "carrier = query\ncarrier_name = a&b\n" + stores, 4, "need no encoding"},
		{"carrier's name from the cookie", oneApp + "carrier = query\ncookie_name = a|b\n" + stores, 1, "CarrierName"},
		{"unknown hand-over", oneApp + "handover = hots\n" + stores + hostsSection, 3, "did you mean hosts?"},
		{"hand-over without a key", oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nsites = http://a http://b\n", 6, "key: it is missing"},
		{"hand-over's short key", oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nsites = http://a http://b\nkey = short\n", 8, "has 5 characters"},
		{"hand-over's key of two words", oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nsites = http://a http://b\nkey = " + testKey + ", " + testKey + "\n", 8, "one word"},
		{"hand-over's short old key", oneApp + "handover = hosts\n" + stores + hostsSection + "old_keys = " + testKey + " short\n", 9, "has 5 characters"},
		{"hand-over without sites", oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nkey = " + testKey + "\n", 6, "sites: 0 are not enough"},
		{"hand-over's one site", oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nkey = " + testKey + "\nsites = http://a\n", 8, "sites: 1 are not enough"},
		{"hand-over's site", oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nkey = " + testKey + "\nsites = http://a b\n", 8, `sites: "b" must begin with`},
		{"hand-over's lifetime", oneApp + "handover = hosts\n" + stores + hostsSection + "lifetime = 1h\n", 9, "lifetime: 1h0m0s is not from"},
		{"hand-over without end", oneApp + "handover = hosts\n" + stores + hostsSection + "lifetime = never\n", 9, "can not be never"},
		{"hand-over's parameter", oneApp + "handover = hosts\n" + stores + hostsSection + "param = a b\n", 9, "need no encoding"},
		{"hand-over's word", oneApp + "handover = hosts\n" + stores + hostsSection + "keep_existing = perhaps\n", 9, "neither yes nor no"},
		{"hand-over's option", oneApp + "handover = hosts\n" + stores + hostsSection + "old_key = x\n", 9, "did you mean old_keys?"},
		{"hand-over that nobody names", oneApp + stores + hostsSection + "lifetime = soon\n", 8, "no time"},
		{"hand-over of strict cookies", oneApp + "handover = hosts\ncookie_samesite = strict\n" + stores + hostsSection, 3, "use Lax"},
		{"hand-over without cookies", oneApp + "handover = hosts\ncarrier = query\n" + stores + hostsSection, 3, "must travel by cookie"},
		{"hand-over of other sessions", "[composite:main]\nuse = urlmap\ndomain a / = a\ndomain b / = b\n[app:a]\nuse = notes\nhandover = hosts\n[app:b]\nuse = notes\nhandover = hosts\n" +
			stores + hostsSection, 10, "others than those of [a] in line 5"},
		{"hand-over to another host", "[composite:main]\nuse = urlmap\ndomain a.org / = main2\n[app:main2]\nuse = notes\nhandover = hosts\n" + stores + hostsSection, 6, "no site on that host"},
		{"sessions with a hand-over of their own", "[composite:main]\nuse = urlmap\n/ = a\n/b = b\n[app:a]\nuse = notes\n[app:b]\nuse = notes\nsessions = a\nhandover = hosts\n" + stores + hostsSection, 10, "no option of this name"},
		{"no store", oneApp, 1, "add a section [store:main]"},
		{"which store", oneApp + stores + "[store:b]\nurl = memory:\n", 1, "several stores"},
		{"unknown store", oneApp + "store = mian\n" + stores, 3, "did you mean main?"},
		{"store's option", oneApp + stores + "uri = x\n", 5, "did you mean url?"},
		{"store without url", oneApp + "[store:main]\n", 3, "url is missing"},
		{"store that does not open", oneApp + "[store:main]\nurl = tape:\n", 4, "no store for tape:"},
		{"a place with two settings", "[composite:main]\nuse = urlmap\n/a = a\n/b = b\n[app:a]\nuse = notes\nstore = a\n[app:b]\nuse = notes\nstore = b\n" +
			"[store:a]\nurl = file:" + folder + "\n[store:b]\nurl = file:" + folder + "/../" + filepath.Base(folder) + "?durability=none\n", 14, "same place as that of [store:a]"},
		{"server's address", oneApp + stores + "[server:main]\nlisten = here\n", 6, "HOST:PORT"},
		{"server's option", oneApp + stores + "[server:main]\nmax_bodi = 1MiB\n", 6, "did you mean max_body?"},
		{"another server", oneApp + stores + "[server:other]\n", 5, "[server:main]"},
		{"two addresses", oneApp + stores + "[server:main]\nlisten = :80\nport = 81\n", 6, "say the same"},
		{"sessions of nobody", oneApp + "sessions = desk\n" + stores, 3, "no application of the name desk"},
		{"a factory that panics", "[app:main]\nuse = panics\n", 1, "the factory panics panicked: oops"},
		{"a filter that panics", "[pipeline:main]\npipeline = panics a\n[app:a]\nuse = hello\n", 2, "the factory panics panicked: oops"},
		{"waits that are cut off", oneApp + "lock_wait = 90s\n" + stores, 3, "make write_timeout in [server:main] longer"},
		{"store without scheme", oneApp + "[store:main]\nurl = hunter2\n", 4, "no scheme"},
		{"places without end", maps(10), 44, "more than 1000 places"},
		{"static folder", "[app:main]\nuse = static\ndir = " + folder + "/none\n", 3, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := mistakes(t, tt.text)
			if len(all) != 1 || all[0].Line != tt.line || !strings.Contains(all[0].Text, tt.want) {
				t.Errorf("got\n%v\nwant line %d with %q", all, tt.line, tt.want)
			}
		})
	}
}

// All that is wrong is told at once, in the file's order, and each of it once.
func TestAllMistakesAtOnce(t *testing.T) {
	all := mistakes(t, `[server:main]
max_body = huge
[store:main]
url = tape:
[composite:main]
use = urlmap
/a = a
/b = nobody
/c = c
bad = a
[app:a]
use = notes
locking = no
save = no
colour = red
[app:c]
use = notes
idle_timeout = soon
oops
[app:unused
`)
	var lines []int
	for _, m := range all {
		lines = append(lines, m.Line)
	}
	if want := []int{2, 4, 8, 10, 13, 14, 15, 18, 19, 20}; !slices.Equal(lines, want) {
		t.Errorf("lines %v, want %v:\n%v", lines, want, all)
	}
}

func TestOverride(t *testing.T) {
	all := mistakes(t, oneApp+stores, deploy.Override{Section: "store:main", Key: "url", Value: "tape:%(x)s", From: "-store"},
		deploy.Override{Section: "server:main", Key: "listen", Value: "x", From: "-addr"})
	if len(all) != 2 || !strings.HasPrefix(all[0].String(), "-addr: listen: ") || !strings.HasPrefix(all[1].String(), "-store: ") {
		t.Error(all)
	}
	all = mistakes(t, "[app:main]\nuse = hello\n", deploy.Override{Section: "store:main", Key: "url", Value: "memory:", From: "-store"})
	if len(all) != 1 || !strings.Contains(all[0].Text, "[store:main]") {
		t.Error(all)
	}
}

func TestFiles(t *testing.T) {
	for name, want := range map[string]string{filepath.Join(t.TempDir(), "none.ini"): "no such file", t.TempDir(): "no plain file", "/dev/zero": "no plain file"} {
		_, err := loader(t).Load(t.Context(), deploy.FromFile(name))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := write(t, oneApp+stores)
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loader(t).Load(t.Context(), deploy.FromFile(file)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Error(err)
	}
}

// What is secret is neither in mistakes nor in the table.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	const over = oneApp + "handover = hosts\n" + stores + "[handover:hosts]\nsites = http://a http://b\n"
	for _, text := range []string{
		oneApp + "[store:main]\nurl = redis://ada:hunter2@127.0.0.1:1/0?timeout=100ms\n",
		oneApp + "[store:main]\nurl = redis://ada:hunter2@127.0.0.1:1/0 %(x)s\n",
		oneApp + "[store:main]\nredis://ada:hunter2@127.0.0.1:1/0?timeout=100ms\n",
		oneApp + "[store:main]\nurl = redis://ada:hunter2@127.0.0.1:1/0?timeout=100ms\nurl = redis://ada:hunter2@127.0.0.1:1/0?timeout=100ms\n",
		oneApp + "[store:main]\nurl = hunter2\x01\n",
		"[DEFAULT]\npassword = hunter2\n" + oneApp + "[store:main]\nurl = redis://:%(password)s@127.0.0.1:1/x\n",
		oneApp + "store = a\n[store:a]\nurl = redis://ada:hunter2@127.0.0.1:1/0?timeout=100ms\n[store:b]\nurl = redis://ada:hunter2@127.0.0.1:1/0?timeout=1s\n",
		over + "key = hunter2\n",
		over + "key = hunter2%" + testKey + "\n",
		over + "key = hunter2 " + testKey + "\n",
		over + "key = hunter2" + testKey + "\nkey = hunter2\n",
		over + "key = " + testKey + "\nold_keys = hunter2, hunter2\n",
		over + "hunter2" + testKey + "\n",
		over + "key = hunter2" + testKey + "\nlifetime = 1h\n",
	} {
		if all := mistakes(t, text); strings.Contains(all.Error(), secret) {
			t.Errorf("a mistake shows the password:\n%v", all)
		}
	}
}
