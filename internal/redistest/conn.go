package redistest

import (
	"fmt"
	"net"
	"time"
)

// replyTime is how long a Conn waits for a connection or a reply. It is long, for a test that it ends
// has failed.
const replyTime = 10 * time.Second

// Conn is a connection to a server that speaks RESP2. It is for one goroutine at a time.
type Conn struct {
	conn   net.Conn
	framer framer
}

// Dial connects to the server, or the Proxy, at addr.

func Dial(addr string) (*Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, replyTime)
	if err != nil {
		return nil, err
	}
	return &Conn{conn, framer{r: conn, len: frameLen}}, nil
}

// Do sends a command and returns its reply: a string, an int64, nil, or a []any of these and of Error.
// A []byte argument is sent as it is, any other as fmt.Sprint writes it. An error that the server
// replied is an Error. After any other error the connection is of no more use. Ten seconds without a
// reply are an error.
func (c *Conn) Do(args ...any) (any, error) {
	if err := c.Send(args); err != nil {
		return nil, err
	}
	return c.Receive()
}

// Send sends commands in one write, without waiting. Each has one reply to Receive.
func (c *Conn) Send(commands ...[]any) error {
	var b []byte
	for _, args := range commands {
		b = appendCommand(b, args...)
	}
	if err := c.conn.SetDeadline(time.Now().Add(replyTime)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// Receive waits for the next reply, or published message, and returns it as Do does.
func (c *Conn) Receive() (any, error) {
	if err := c.conn.SetDeadline(time.Now().Add(replyTime)); err != nil {
		return nil, err
	}
	frame, err := c.framer.next()
	if err != nil {
		return nil, err
	}
	v, _, err := parse(frame)
	if err != nil {
		return nil, fmt.Errorf("%w in %q", err, frame)
	}
	if e, ok := v.(Error); ok {
		return nil, e
	}
	return v, nil
}

// Close closes the connection. Unlike the other methods it may be called at any time: a Do or Receive
// that waits returns an error.
func (c *Conn) Close() error { return c.conn.Close() }
