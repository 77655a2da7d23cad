package redisstore

import (
	"bufio"
	"net"
	"time"
)

// wire is a connection with buffers large enough for a burst of calls. redigo has small ones of its
// own, on top of these.
type wire struct {
	net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	hold bool // what is written stays in the buffer until drain
}

const burst = 32 << 10

func newWire(conn net.Conn, writeTimeout time.Duration) *wire {
	return &wire{Conn: conn, r: bufio.NewReaderSize(conn, burst), w: bufio.NewWriterSize(&hurried{conn, writeTimeout}, burst)}
}

// Read reads from the buffer.
func (w *wire) Read(p []byte) (int, error) { return w.r.Read(p) }

// Write writes to the buffer, and unless it is held back, to the connection.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err == nil && !w.hold {
		err = w.w.Flush()
	}
	return n, err
}

// drain sends what is in the buffer.
func (w *wire) drain() error { return w.w.Flush() }

// hurried bounds each write.
type hurried struct {
	conn    net.Conn
	timeout time.Duration
}

func (h *hurried) Write(p []byte) (int, error) {
	if err := h.conn.SetWriteDeadline(time.Now().Add(h.timeout)); err != nil {
		return 0, err
	}
	return h.conn.Write(p)
}
