package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerConfig is what a server listens on, and what one client can take of it. For each limit, zero means the default
// that is named, and a negative value that there is none.
type ServerConfig struct {
	// Listen is HOST:PORT, or unix:PATH for a socket in the file system. Port 0 picks a free one. Default
	// 127.0.0.1:8080.
	Listen string

	// MaxBody is the largest body of a request, in bytes. Larger ones are answered by 413, or fail while they are
	// read if they did not say how large they are. Default 10 MiB.
	MaxBody int64

	// MaxHeader is how many bytes of headers a request may have. net/http adds 4 KiB to it. Default 32 KiB; there
	// is always a limit.
	MaxHeader int64

	// ReadHeaderTimeout is how long a client may take to send the headers. Default 5 seconds.
	ReadHeaderTimeout time.Duration

	// ReadTimeout is how long it may take to send the whole request. Default one minute.
	ReadTimeout time.Duration

	// WriteTimeout is how long a request may take from the end of its headers to the end of the response. It has to be
	// longer than the longest wait for a lock. Handlers that stream for longer set their own deadline by
	// http.ResponseController. Default 90 seconds.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection is kept open without a request. Default one minute.
	IdleTimeout time.Duration

	// MaxConnections is how many connections are served at a time. Further ones wait. Default 10000.
	MaxConnections int

	// Drain is how long requests that are under way may go on when the server is to stop. Default 20 seconds; there
	// is always a limit.
	Drain time.Duration

	// SocketMode is the mode of a unix socket. Default 0660.
	SocketMode uint32
}

// WithDefaults returns a copy in which every field says what holds.
func (c ServerConfig) WithDefaults() ServerConfig {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	defaultOf(&c.MaxBody, 10<<20)
	defaultOf(&c.MaxHeader, 32<<10)
	defaultOf(&c.ReadHeaderTimeout, 5*time.Second)
	defaultOf(&c.ReadTimeout, time.Minute)
	defaultOf(&c.WriteTimeout, 90*time.Second)
	defaultOf(&c.IdleTimeout, time.Minute)
	defaultOf(&c.MaxConnections, 10000)
	defaultOf(&c.Drain, 20*time.Second)
	defaultOf(&c.SocketMode, 0o660)
	return c
}

func defaultOf[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}

// silent is how long a new connection may wait for its first request once the server is to stop. Browsers open
// connections that they never use, and net/http would wait five seconds for each.
const silent = 250 * time.Millisecond

// Server serves HTTP within limits, and stops without cutting requests off. Make one with NewServer.
type Server struct {
	cfg  ServerConfig
	http http.Server
	log  *slog.Logger

	mu  sync.Mutex // guards the following field
	new map[net.Conn]struct{}
}

// NewServer returns a server for a handler. log hears of connections that fail; nil: nobody does.
func NewServer(cfg ServerConfig, h http.Handler, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cfg = cfg.WithDefaults()
	s := &Server{cfg: cfg, log: log, new: make(map[net.Conn]struct{})}
	s.http = http.Server{
		Handler:           limitBody(h, cfg.MaxBody),
		ReadHeaderTimeout: max(cfg.ReadHeaderTimeout, 0),
		ReadTimeout:       max(cfg.ReadTimeout, 0),
		WriteTimeout:      max(cfg.WriteTimeout, 0),
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    int(max(cfg.MaxHeader, 1)),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState:         s.note,
	}
	return s
}

// limitBody refuses bodies that are too large.
func limitBody(h http.Handler, limit int64) http.Handler {
	if limit < 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close") // what follows is not read
			http.Error(w, fmt.Sprintf("What you sent is too large: more than %d bytes.", limit), http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit) // not in a copy of r: the server removes the files of this one's form
		h.ServeHTTP(w, r)
	})
}

// Listen opens what the configuration says. The error says what to change. Serve closes it.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	l, err := listen(ctx, s.cfg)
	if err != nil {
		return nil, err
	}
	if s.cfg.MaxConnections > 0 {
		l = &limitedListener{Listener: l, slots: make(chan struct{}, s.cfg.MaxConnections), closed: make(chan struct{})}
	}
	return l, nil
}

// Serve answers requests until ctx ends. Then it takes no new ones and waits for those under way, for up to
// ServerConfig.Drain. Connections without a request are closed. The error tells that the listener failed, or
// that requests had to be cut off. A Server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(l) }() // ends with Shutdown or Close
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.log.Info("stopping: finishing the requests under way")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	hangUp := time.AfterFunc(silent, s.closeNew)
	defer hangUp.Stop()
	err := s.http.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off after %v: %w", s.cfg.Drain, err), s.http.Close())
	}
	<-failed // the listener is closed, even if it had just begun
	return err
}

// note knows the connections that have not had a request yet.
func (s *Server) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew {
		s.new[c] = struct{}{}
	} else {
		delete(s.new, c)
	}
}

func (s *Server) closeNew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.new {
		_ = c.Close() // nobody is served on it
	}
}

// limitedListener accepts so many connections at a time.
type limitedListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a slot, and then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close makes a waiting Accept return.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

// ReadFrom leaves files to the system, which can send them by itself.
func (c *limitedConn) ReadFrom(src io.Reader) (int64, error) { return io.Copy(c.Conn, src) }

// CloseWrite tells the client that the response is complete while it may still be sending, so that it reads a refusal.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close gives the slot back.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
