// Sidebyside serves old applications that now run in Go, and new ones, side by side on one Echo server: a help desk that
// was written for Webware's WebKit, a session editor for WebStack, a gallery for Myghty, and a trip booking for Albatross;
// a lab in which the lost update that Webware was known for can be seen to happen, and not to happen under each of
// Holdover's policies; a plain WSGI blog, twice; pages in plain Echo on the help desk's sessions; and two virtual hosts.
//
// Start it, and open the address that it prints in a browser:
//
//	go run ./examples/sidebyside [-config FILE] [-check] [-addr 127.0.0.1:8080] [-store URL]
//
// What it serves is described by apps.ini, which is built in. With -config it serves what another file describes, and
// reads that again with each SIGHUP; -check only says what the file comes to, or all that is wrong with it. -addr goes before
// what the file says in [server:main], -store before the url in its section [store:main].
//
// With a Redis at hand, several of them share their sessions: -store redis://127.0.0.1:6379/0.
//
// Or try it from a second terminal. Sign in at the desk, and be counted:
//
//	$ curl -s -c jar -d user=ada -d password=engine -d _action_login=1 -o /dev/null -w '%{http_code}\n' \
//	   http://127.0.0.1:8080/desk/login
//	303
//	$ curl -s -b jar http://127.0.0.1:8080/desk/counter | grep -o 'You have been here .*\.'
//	You have been here once.
//	$ curl -s -b jar http://127.0.0.1:8080/desk/counter | grep -o 'You have been here .*\.'
//	You have been here 2 times.
//
// Then lose an update as Webware did: a slow request that only reads begins before a quick one that writes, and
// ends after it.
//
//	$ curl -s -c jar 'http://127.0.0.1:8080/lab/legacy/put?name=drink&value=water'
//	{"policy":"legacy","values":{"drink":"water"},"dirty":true,"waited_ms":...,"took_ms":...}
//	$ (curl -s -b jar 'http://127.0.0.1:8080/lab/legacy/slow?ms=1500' -o /dev/null & sleep 0.5; \
//	   curl -s -b jar 'http://127.0.0.1:8080/lab/legacy/put?name=drink&value=tea'; wait)
//	{"policy":"legacy","values":{"drink":"tea"},"dirty":true,"waited_ms":...,"took_ms":...}
//	$ curl -s -b jar http://127.0.0.1:8080/lab/legacy/show
//	{"policy":"legacy","values":{"drink":"water"},"dirty":false,"waited_ms":...,"took_ms":...}
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/holdover-web/holdover/compat/deploy"
	_ "github.com/holdover-web/holdover/core/filestore"  // file:
	_ "github.com/holdover-web/holdover/core/memstore"   // memory:
	_ "github.com/holdover-web/holdover/core/redisstore" // redis: and its kin
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// errUsage marks errors about the command line.
var errUsage = errors.New("see -help")

// exitCode prints an error in one line, or one line for each mistake of a configuration, and returns what the program should
// exit with.
func exitCode(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if mistakes, ok := errors.AsType[deploy.Mistakes](err); ok {
		for _, m := range mistakes {
			fmt.Fprintln(stderr, "sidebyside:", m)
		}
		return 1
	}
	fmt.Fprintln(stderr, "sidebyside:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// run is the program. It returns nil when ctx has ended and all requests were answered.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parseFlags(args, stdout)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if opts.check {
		return check(ctx, opts, stdout, log)
	}
	return serve(ctx, opts, stdout, log)
}

type options struct {
	source    deploy.Source
	overrides []deploy.Override // what flags say in place of the file
	check     bool
	cache     string // the user's folder for caches
	folder    string // where sessions are kept, if the program chose that itself
}

// parseFlags reads the command line. Help goes to stdout; errors match errUsage or flag.ErrHelp.
func parseFlags(args []string, stdout io.Writer) (options, error) {
	opts := options{cache: cacheFolder()}
	flags := flag.NewFlagSet("sidebyside", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	config := flags.String("config", "", "`file` that says what is served, in place of the one built in; SIGHUP reads it again")
	flags.BoolVar(&opts.check, "check", false, "say what the configuration comes to, or what is wrong with it, and start nothing")
	addr := flags.String("addr", "", "`address` to listen on, in place of the file's; port 0 picks a free one (default 127.0.0.1:8080)")
	store := flags.String("store", "", "where sessions are kept, in place of the url in [store:main]: memory:, file:DIR or redis://HOST:PORT/DB (default a folder in your cache)")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "usage: sidebyside [-config FILE] [-check] [-addr HOST:PORT] [-store URL]")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return opts, err
	case err != nil:
		return opts, fmt.Errorf("%w; %w", err, errUsage)
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q; %w", flags.Arg(0), errUsage)
	}
	opts.source = deploy.FromText("apps.ini (built in)", builtIn)
	if *config != "" {
		opts.source = deploy.FromFile(*config)
	} else if *store == "" {
		opts.folder = filepath.Join(opts.cache, "holdover-sidebyside") // as the file has it
	}
	if *addr != "" {
		if _, _, err := net.SplitHostPort(*addr); err != nil && !strings.HasPrefix(*addr, "unix:") {
			return opts, fmt.Errorf("-addr: %w; %w", err, errUsage)
		}
		opts.overrides = append(opts.overrides, deploy.Override{Section: "server:main", Key: "listen", Value: *addr, From: "-addr"})
	}
	if *store != "" {
		opts.overrides = append(opts.overrides, deploy.Override{Section: "store:main", Key: "url", Value: *store, From: "-store"})
	}
	return opts, nil
}

// cacheFolder is where the file that is built in keeps sessions.
func cacheFolder() string {
	cache, err := os.UserCacheDir()
	if err != nil { // no home
		return os.TempDir()
	}
	return cache
}

// escapeURL makes a path fit for a file: URL.
func escapeURL(path string) string { return strings.NewReplacer("%", "%25", "?", "%3F").Replace(path) }
