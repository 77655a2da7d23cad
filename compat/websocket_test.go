package compat_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/holdover-web/holdover/compat"
)

// socket is one end of a WebSocket (RFC 6455), good for text of less than 126 bytes.
type socket struct {
	net.Conn
	r      *bufio.Reader
	masked bool // the client's end
}

const (
	opText  = 1
	opClose = 8
)

// accept does the server's part of the handshake.
func accept(c echo.Context) (*socket, error) {
	key := c.Request().Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(c.Request().Header.Get("Upgrade"), "websocket") || key == "" {
		return nil, echo.NewHTTPError(http.StatusUpgradeRequired)
	}
	conn, rw, err := http.NewResponseController(c.Response()).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	return &socket{Conn: conn, r: rw.Reader}, err
}

// connect does the client's.
func connect(t testing.TB, addr, path, id string) *socket {
	t.Helper()
	c := dial(t, addr)
	c.send("GET " + path + " HTTP/1.1\r\nHost: example.test\r\nCookie: sid=" + id + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if head := c.head(); !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
		t.Fatalf("handshake: %q", head)
	}
	return &socket{Conn: c.Conn, r: c.r, masked: true}
}

func (s *socket) write(op byte, text string) error {
	frame := []byte{0x80 | op, byte(len(text))}
	mask := []byte{0, 0, 0, 0}
	if s.masked {
		frame[1] |= 0x80
		mask = []byte{1, 2, 3, 4}
		frame = append(frame, mask...)
	}
	for i := range len(text) {
		frame = append(frame, text[i]^mask[i%4])
	}
	_, err := s.Write(frame)
	return err
}

// read returns the next text, or io.EOF when the other end closed.
func (s *socket) read() (string, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(s.r, head); err != nil {
		return "", err
	}
	mask := make([]byte, 4)
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(s.r, mask); err != nil {
			return "", err
		}
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(s.r, text); err != nil {
		return "", err
	}
	for i := range text {
		text[i] ^= mask[i%4]
	}
	if head[0] == 0x80|opClose {
		return "", io.EOF
	}
	if head[0] != 0x80|opText {
		return "", errors.New("a frame of another kind")
	}
	return string(text), nil
}

// ask sends a message and returns the answer.
func (s *socket) ask(t testing.TB, text string) string {
	t.Helper()
	if err := s.write(opText, text); err != nil {
		t.Fatal(err)
	}
	answer, err := s.read()
	if err == io.EOF {
		return "closed"
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

var errSilly = errors.New("silly")

// chat answers each message of a socket by what do says.
func chat(c echo.Context, do func(c echo.Context, text string) (string, error)) error {
	ws, err := accept(c)
	if err != nil {
		return err
	}
	defer ws.Close()
	for {
		text, err := ws.read()
		if err != nil {
			return nil
		}
		answer, err := do(c, text)
		if errors.Is(err, compat.ErrOver) {
			return err
		}
		if err != nil {
			answer = err.Error()
		}
		if answer == "" {
			return ws.write(opClose, "")
		}
		if err := ws.write(opText, answer); err != nil {
			return nil
		}
	}
}
