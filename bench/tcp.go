package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// overTCP is a peer behind a server of its own on this machine: what a request costs with all that net/http does for it.
// One client keeps one connection, and does as little as it can.
func overTCP(p Peer, name string) Peer {
	return Peer{
		Name:   name,
		Medium: p.Medium,
		Bare:   p.Bare,
		Ops:    []Op{Untouched},
		Open: func(dir string) (http.Handler, func() error, error) {
			h, closer, err := p.Open(dir)
			if err != nil {
				return nil, nil, err
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, nil, errors.Join(err, closer())
			}
			srv := &http.Server{Handler: h}
			served := make(chan error, 1)
			go func() { served <- srv.Serve(l) }()
			stop := func() error {
				err := srv.Shutdown(context.Background())
				if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
					err = errors.Join(err, serr)
				}
				return errors.Join(err, closer())
			}
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				return nil, nil, errors.Join(err, stop())
			}
			return &forwarder{conn: conn, buf: make([]byte, 4096)}, func() error { return errors.Join(conn.Close(), stop()) }, nil
		},
	}
}

// forwarder is a handler that asks the server behind a connection.
type forwarder struct {
	conn net.Conn
	buf  []byte
}

// ServeHTTP sends a request for the same path and passes the answer on, as far as the measurements look at it.
func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := append(f.buf[:0], "GET "...)
	line = append(append(line, r.URL.Path...), " HTTP/1.1\r\nHost: a\r\n\r\n"...)
	if _, err := f.conn.Write(line); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	got := 0
	for !bytes.HasSuffix(f.buf[:got], okEnd) {
		n, err := f.conn.Read(f.buf[got:])
		if got += n; err != nil || got == len(f.buf) {
			http.Error(w, fmt.Sprintf("%q: %v", f.buf[:got], err), http.StatusBadGateway)
			return
		}
	}
	if !bytes.HasPrefix(f.buf, []byte("HTTP/1.1 200 ")) {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, "ok\n") // the writer is the benchmark's
}

var okEnd = append([]byte("\r\n\r\n"), okBody...)
