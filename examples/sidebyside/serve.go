package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/holdover-web/holdover/compat/deploy"
)

// closeTimeout bounds the closing of sessions and stores, when all requests have ended.
const closeTimeout = 10 * time.Second

// serve loads the configuration and answers requests until ctx ends. With SIGHUP it reads the configuration again.
func serve(ctx context.Context, opts options, stdout io.Writer, log *slog.Logger) (err error) {
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP) // from the first moment on: it would end the program otherwise
	defer signal.Stop(reload)

	live, err := deploy.NewLive(ctx, newLoader(opts, log), opts.source, newHandler)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, live.Close(closing))
	}()
	server := deploy.NewServer(live.Site().Server(), live, log)
	listener, err := server.Listen(ctx)
	if err != nil {
		return fmt.Errorf("%w; choose another address with -addr", err)
	}
	fmt.Fprintf(stdout, "listening on %s\n", address(listener.Addr()))
	if opts.folder != "" {
		fmt.Fprintf(stdout, "sessions are kept in %s; -store chooses another place\n", opts.folder)
	}
	ctx, cancel := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	reloads.Go(func() { live.ReloadOn(ctx, reload) })
	defer reloads.Wait()
	defer cancel()
	return server.Serve(ctx, listener)
}

// check says what the configuration comes to, and starts nothing.
func check(ctx context.Context, opts options, stdout io.Writer, log *slog.Logger) error {
	site, err := newLoader(opts, log).Load(ctx, opts.source)
	if err != nil {
		return err
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return errors.Join(site.WriteTable(stdout), site.Close(closing))
}

// address is where a browser on this machine finds the program.
func address(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d/", tcp.Port)
	}
	return "http://" + addr.String() + "/"
}
