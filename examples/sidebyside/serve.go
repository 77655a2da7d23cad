package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Bounds on what one client can hold. The longest request of the lab waits in line for ten seconds and then takes
// five.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 45 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10

	drainTimeout = 20 * time.Second
)

// serve answers requests until ctx ends. Then it takes no new ones and waits for those under way. The error tells
// that the listener failed, or that requests had to be cut off.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }() // ends with Shutdown or Close
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("interrupted: finishing the requests under way; interrupt again to stop at once")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %v: %w", drainTimeout, err), server.Close())
	}
	return nil
}
