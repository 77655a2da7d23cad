// Sidebyside serves two applications that were written for Webware's WebKit and now run in Go, side by side on
// one Echo server: a help desk, and a lab in which the lost update that Webware was known for can be seen to
// happen, and not to happen under each of Holdover's policies.
//
// Start it, and open the address that it prints in a browser:
//
//	go run ./examples/sidebyside [-addr 127.0.0.1:8080] [-store URL]
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

	"github.com/holdover-web/holdover/core"
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

// exitCode prints an error in one line and returns what the program should exit with.
func exitCode(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(stderr, "sidebyside:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// run is the program. It returns nil when ctx has ended and all requests were answered.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	opts, err := parseFlags(args, stdout)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))

	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return fmt.Errorf("%w; choose another address with -addr", err)
	}
	defer listener.Close() // does nothing after serve
	store, err := core.OpenStore(ctx, opts.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s, err := newSite(store, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	fmt.Fprintf(stdout, "listening on http://%s/\n", hostPort(listener.Addr()))
	if opts.folder != "" {
		fmt.Fprintf(stdout, "sessions are kept in %s; -store chooses another place\n", opts.folder)
	}
	return serve(ctx, listener, s.handler, log)
}

type options struct {
	addr   string
	store  string // a URL for core.OpenStore
	folder string // where sessions are kept, if the program chose that itself
}

// parseFlags reads the command line. Help goes to stdout; errors match errUsage or flag.ErrHelp.
func parseFlags(args []string, stdout io.Writer) (options, error) {
	var opts options
	flags := flag.NewFlagSet("sidebyside", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&opts.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	flags.StringVar(&opts.store, "store", "", "where sessions are kept: memory:, file:DIR or redis://HOST:PORT/DB (default a folder in your cache)")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "usage: sidebyside [-addr HOST:PORT] [-store URL]")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return opts, err
	case err != nil:
		return opts, fmt.Errorf("%w; %w", err, errUsage)
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q; %w", flags.Arg(0), errUsage)
	}
	if _, _, err := net.SplitHostPort(opts.addr); err != nil {
		return opts, fmt.Errorf("-addr: %w; %w", err, errUsage)
	}
	if opts.store == "" {
		opts.folder = defaultFolder()
		opts.store = "file:" + strings.NewReplacer("%", "%25", "?", "%3F").Replace(opts.folder)
	}
	return opts, nil
}

// defaultFolder is where sessions are kept unless the command line says otherwise.
func defaultFolder() string {
	cache, err := os.UserCacheDir()
	if err != nil { // no home
		cache = os.TempDir()
	}
	return filepath.Join(cache, "holdover-sidebyside")
}

// hostPort is an address that a browser on this machine can open.
func hostPort(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}
