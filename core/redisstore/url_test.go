package redisstore_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdover-web/holdover/core/redisstore"
)

func TestParseURL(t *testing.T) {
	type config = redisstore.Config
	addrs := func(a ...string) []string { return a }
	tests := []struct {
		url  string
		want config
		tls  bool
	}{
		{url: "redis://h", want: config{Addrs: addrs("h:6379")}},
		{url: "redis://h/", want: config{Addrs: addrs("h:6379")}},
		{url: "redis://h:7", want: config{Addrs: addrs("h:7")}},
		{url: "redis://h:/2", want: config{Addrs: addrs("h:6379"), DB: 2}},
		{url: "redis://[::1]/2", want: config{Addrs: addrs("[::1]:6379"), DB: 2}},
		{url: "redis://[::1]:7", want: config{Addrs: addrs("[::1]:7")}},
		{url: "redis://:sesame@h", want: config{Addrs: addrs("h:6379"), Password: "sesame"}},
		{url: "redis://ada:sesame@h/3", want: config{Addrs: addrs("h:6379"), Username: "ada", Password: "sesame", DB: 3}},
		{url: "redis://ada:%40%2F%3A%23%3F@h", want: config{Addrs: addrs("h:6379"), Username: "ada", Password: "@/:#?"}},
		{url: "rediss://h", want: config{Addrs: addrs("h:6379")}, tls: true},
		{url: "redis+sentinel://h/main", want: config{Mode: redisstore.Sentinel, Addrs: addrs("h:26379"), MasterName: "main"}},
		{url: "redis+sentinel://a:1,b,[::1],[::2]:3/main/4",
			want: config{Mode: redisstore.Sentinel, Addrs: addrs("a:1", "b:26379", "[::1]:26379", "[::2]:3"), MasterName: "main", DB: 4}},
		{url: "rediss+sentinel://:pw@h/main?sentinel_username=s&sentinel_password=a%26b",
			want: config{Mode: redisstore.Sentinel, Addrs: addrs("h:26379"), MasterName: "main", Password: "pw",
				SentinelUsername: "s", SentinelPassword: "a&b"}, tls: true},
		{url: "redis+sentinel://h/main?sentinel_password=a@b",
			want: config{Mode: redisstore.Sentinel, Addrs: addrs("h:26379"), MasterName: "main", SentinelPassword: "a@b"}},
		{url: "redis+cluster://ada:pw@a,b:2,c", want: config{Mode: redisstore.Cluster, Addrs: addrs("a:6379", "b:2", "c:6379"),
			Username: "ada", Password: "pw"}},
		{url: "redis+cluster://a/0", want: config{Mode: redisstore.Cluster, Addrs: addrs("a:6379")}},
		{url: "rediss+cluster://a?prefix=p%3A&shards=3&grace=48h&connections=4&max_pending=5&dial_timeout=6s&timeout=700ms",
			want: config{Mode: redisstore.Cluster, Addrs: addrs("a:6379"), Prefix: "p:", Shards: 3, Grace: 48 * time.Hour, Connections: 4,
				MaxPending: 5, DialTimeout: 6 * time.Second, Timeout: 700 * time.Millisecond}, tls: true},
		{url: "redis://h?shards=3&shards=4", want: config{Addrs: addrs("h:6379"), Shards: 4}},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			got, err := redisstore.ParseURL(tt.url)
			ok(t, err)
			if (got.TLS != nil) != tt.tls {
				t.Errorf("TLS is %v, want it to be there: %v", got.TLS, tt.tls)
			}
			got.TLS = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseURLTLS(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t, "client")
	got, err := redisstore.ParseURL("rediss://h?tls_ca=" + ca.file + "&tls_cert=" + cert + "&tls_key=" + key + "&tls_server_name=other")
	ok(t, err)
	if got.TLS.RootCAs == nil || len(got.TLS.Certificates) != 1 || got.TLS.ServerName != "other" || got.TLS.InsecureSkipVerify {
		t.Errorf("got %+v", got.TLS)
	}
}

func TestParseURLMistakes(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "no.pem")
	ok(t, os.WriteFile(noPEM, []byte("no certificate"), 0o600))
	tests := []struct {
		url  string
		want []string // each is in the error
	}{
		{"http://h", []string{`the scheme is "http"; use redis or rediss`}},
		{"redis+ring://h", []string{`the scheme is "redis+ring"`}},
		{"redis:h:6379", []string{"write redis://host:port/db"}},
		{"redis://h/0#x", []string{"write redis://host:port/db"}},
		{"redis://", []string{"Config.Addrs: give the address"}},
		{"redis+cluster://a,,b", []string{"a host is missing between commas"}},
		{"redis://a,b", []string{"Config.Addrs: 2 addresses"}},
		{"redis://h/x", []string{`the database is "x"; give a number`}},
		{"redis://h/1/2", []string{`the database is "1/2"`}},
		{"redis://h/-1", []string{"Config.DB: -1"}},
		{"redis+cluster://h/1", []string{"Config.DB: 1; a Cluster"}},
		{"redis+sentinel://h", []string{"Config.MasterName"}},
		{"redis+sentinel://h/main/x", []string{`the database is "x"`}},
		{"redis://ada@h", []string{`Config.Password: the user "ada" needs one`}},
		{"redis://h?shard=3", []string{"no setting shard; there are prefix, shards"}},
		{"redis://h?shards=many", []string{`shards: "many" is no number`}},
		{"redis://h?shards=0", []string{`shards: "0" is no number of at least 1`}},
		{"redis://h?connections=-2", []string{"Config.Connections: -2"}},
		{"redis://h?max_pending=1.5", []string{`max_pending: "1.5"`}},
		{"redis://h?grace=2", []string{`grace: "2" is no duration such as 500ms`}},
		{"redis://h?grace=1ms", []string{"Config.Grace: 1ms"}},
		{"redis://h?timeout=0s", []string{`timeout: "0s" is no duration`}},
		{"redis://h?dial_timeout=", []string{`dial_timeout: "" is no duration`}},
		{"redis://h?tls_ca=x", []string{"tls_ca, tls_cert, tls_key and tls_server_name need rediss"}},
		{"rediss://h?tls_ca=" + noPEM, []string{"tls_ca: " + noPEM + " has no certificate in PEM form"}},
		{"rediss://h?tls_ca=/none", []string{"tls_ca: open /none"}},
		{"rediss://h?tls_cert=/none", []string{"tls_cert and tls_key go together"}},
		{"rediss://h?tls_cert=/none&tls_key=/none", []string{"tls_cert, tls_key: open /none"}},
		{"redis://h/x?shards=many&timeout=soon&colour=red&prefix={", []string{`the database is "x"`, `shards: "many"`, `timeout: "soon"`,
			"no setting colour", "Config.Prefix"}},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			_, err := redisstore.ParseURL(tt.url)
			if err == nil {
				t.Fatal("the URL was taken")
			}
			for _, want := range tt.want {
				if strings.Count(err.Error(), want) != 1 {
					t.Errorf("got %q, want %q in it once", err, want)
				}
			}
		})
	}
}

// passwords are URLs with a mistake whose password is partly or wholly "sesame" or "9876".
var passwords = []string{
	"redis://ada:sesame@h/x",
	"redis://ada:sesame@h:port/0",
	"redis://ada:sesame@h\x7f/0",
	"redis://ada:sesame@h/0?colour=red",
	"redis://ada:se%zzsame@h/0",
	"redis://ada:sesame /@h/0",
	"redis://:sesame",                    // the host is missing
	"redis://ada:sesame",                 //
	"redis://:9876/sesame@h/0",           // a slash that is not escaped
	"redis://ada:9876/sesame@h:6379/0",   //
	"redis://ada:x@9876/sesame@h:6379/0", // an @ too
	"redis+sentinel://ada:9876/sesame@h", // which looks like a master
	"redis://ada:9876#sesame@h/0",        // a hash
	"redis://ada:9876?sesame@h/0",        // a question mark
	"redis://ada:9876?x=sesame@h/0",      //
	"redis://ada:9876/9?shards=sesame@h", //
	"redis:ada:sesame@h",                 // no slashes
	"//ada:sesame@h/0",                   // no scheme
	"redis+sentinel://h/main/x?sentinel_password=sesame",
	"redis+sentinel://h/main?sentinel_password=ses%zzame",
	"redis+sentinel://h/main?sentinel_password=x;sesame",
	"redis://h?sentinel_password=sesame",
	"redis+cluster://ada:sesame@[::1,b/0",
	"redis+cluster://ada:sesame@a,,b/0",
	"rediss://ada:sesame@h?tls_ca=/none",
}

func TestParseURLHidesPasswords(t *testing.T) {
	for _, url := range passwords {
		t.Run(url, func(t *testing.T) {
			_, err := redisstore.ParseURL(url)
			if err == nil {
				t.Fatal("the URL was taken")
			}
			for _, secret := range []string{"sesame", "9876", "same"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
		})
	}
}

// FuzzParseURL looks for URLs that are not understood and shown all the same, and for configs that Open
// would refuse.
func FuzzParseURL(f *testing.F) {
	for _, url := range slices.Concat(passwords, []string{
		"redis://h:1/2", "rediss+cluster://u:p@a,b:2/0?prefix=p&shards=3", "redis+sentinel://[::1],b/m/1?timeout=1s", "redis://%41:%42@h",
	}) {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if strings.Contains(url, "tls_") {
			return // names of files, which are read
		}
		cfg, err := redisstore.ParseURL(url)
		if err == nil {
			if got := mistake(cfg); got != "" {
				t.Errorf("%q: a config that is refused: %s", url, got)
			}
		}
		const secret = "correct-horse"
		if _, err := redisstore.ParseURL("redis://ada:" + secret + "@" + url); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: the error shows the password: %v", url, err)
		}
	})
}

func mistake(cfg redisstore.Config) string {
	if err := redisstore.Validate(cfg); err != nil {
		return err.Error()
	}
	return ""
}
