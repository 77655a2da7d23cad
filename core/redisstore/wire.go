package redisstore

import (
	"bufio"
	"net"
	"time"
)

// wire is a connection that reads in large pieces, and can hold back what is written so that it leaves
// in one.
type wire struct {
	net.Conn
	timeout time.Duration // of each write
	in      *bufio.Reader
	hold    bool   // what is written is held back
	out     []byte // what is
	spare   []byte // an empty buffer to use next
}

const (
	burst     = 32 << 10 // how much is read at once
	keptSpare = 64 << 10 // larger buffers are not kept
)

func newWire(conn net.Conn, timeout time.Duration) *wire {
	return &wire{Conn: conn, timeout: timeout, in: bufio.NewReaderSize(conn, burst)}
}

// Read reads from the buffer.
func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

// Write sends p, or holds it back.
func (w *wire) Write(p []byte) (int, error) {
	if w.hold {
		w.out = append(w.out, p...)
		return len(p), nil
	}
	return len(p), w.deliver(p)
}

// take returns what was held back and makes room for more.
func (w *wire) take() []byte {
	b := w.out
	w.out, w.spare = w.spare, nil
	return b
}

// deliver sends b within the time that there is for it.
func (w *wire) deliver(b []byte) error {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	_, err := w.Conn.Write(b)
	return err
}

// giveBack lets b, which take returned, be used again.
func (w *wire) giveBack(b []byte) {
	if cap(b) <= keptSpare {
		w.spare = b[:0]
	}
}
