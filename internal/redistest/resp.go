package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Error is an error that a server replied: the whole text, its code first.
type Error string

func (e Error) Error() string { return string(e) }

// Code returns the error's first word: "WRONGTYPE", "MOVED", "NOSCRIPT" and so on.
func (e Error) Code() string {
	code, _, _ := strings.Cut(string(e), " ")
	return code
}

var (
	errShort  = errors.New("redistest: the message is not complete yet")
	errFormat = errors.New("redistest: not the Redis protocol")
)

// frameLen returns how many bytes of b its first message takes: a command or a reply, RESP2 or RESP3.
// It returns errShort when b holds no whole message.
func frameLen(b []byte) (int, error) {
	at := 0
	for left := 1; left > 0; left-- {
		line, n, err := readLine(b[at:])
		if err != nil {
			return 0, err
		}
		at += n
		size, err := lineSize(line)
		if err != nil {
			return 0, err
		}
		switch line[0] {
		case '$', '=', '!':
			if size >= 0 {
				at += size + 2
			}
		case '*', '~', '>':
			left += max(size, 0)
		case '%':
			left += 2 * size
		case '|': // attributes, which the reply proper follows
			left += 2*size + 1
		}
		if at > len(b) {
			return 0, errShort
		}
	}
	return at, nil
}

// readLine returns b's first line without its end, and how many bytes it takes with it.
func readLine(b []byte) ([]byte, int, error) {
	end := bytes.IndexByte(b, '\n')
	switch {
	case end < 0:
		return nil, 0, errShort
	case end < 2 || b[end-1] != '\r':
		return nil, 0, errFormat
	}
	return b[:end-1], end + 1, nil
}

// lineSize reads the size that follows the type of a message that has one.
func lineSize(line []byte) (int, error) {
	if !strings.ContainsRune("$=!*~>%|", rune(line[0])) {
		return 0, nil
	}
	n, err := strconv.Atoi(string(line[1:]))
	if err != nil || n < -1 {
		return 0, errFormat
	}
	return n, nil
}

// parse reads the whole message at b's start and returns what follows it. Whichever protocol it is of,
// the value is of the types that RESP2 knows: string, int64, nil, Error, and []any of these. (A map is
// its keys and values in turn, a boolean is 0 or 1, a double is its text.)
func parse(b []byte) (v any, rest []byte, err error) {
	line, n, err := readLine(b)
	if err != nil {
		return nil, nil, err
	}
	size, err := lineSize(line)
	if err != nil {
		return nil, nil, err
	}
	rest, text := b[n:], string(line[1:])
	switch line[0] {
	case '$', '=', '!':
		return parseBulk(line[0], size, rest)
	case '*', '~', '>':
		return parseArray(size, rest)
	case '%':
		return parseArray(2*size, rest)
	case '|':
		if _, rest, err = parseArray(2*size, rest); err != nil {
			return nil, nil, err
		}
		return parse(rest)
	case ':':
		i, err := strconv.ParseInt(text, 10, 64)
		return i, rest, err
	case '-':
		return Error(text), rest, nil
	case '+', ',', '(':
		return text, rest, nil
	case '_':
		return nil, rest, nil
	case '#':
		if text == "t" {
			return int64(1), rest, nil
		}
		return int64(0), rest, nil
	}
	return nil, nil, fmt.Errorf("%w: type %q", errFormat, line[0])
}

func parseBulk(kind byte, size int, b []byte) (any, []byte, error) {
	if size < 0 {
		return nil, b, nil
	}
	if len(b) < size+2 {
		return nil, nil, errShort
	}
	text, rest := string(b[:size]), b[size+2:]
	switch kind {
	case '!':
		return Error(text), rest, nil
	case '=': // three letters of format and a colon come first
		return text[min(4, size):], rest, nil
	}
	return text, rest, nil
}

func parseArray(size int, b []byte) (any, []byte, error) {
	if size < 0 {
		return nil, b, nil
	}
	list := []any{}
	for range size {
		v, rest, err := parse(b)
		if err != nil {
			return nil, nil, err
		}
		list, b = append(list, v), rest
	}
	return list, b, nil
}

// appendCommand appends a command to b as clients send it. A []byte is sent as it is, anything else as
// fmt.Sprint writes it.
func appendCommand(b []byte, args ...any) []byte {
	b = fmt.Appendf(b, "*%d\r\n", len(args))
	for _, arg := range args {
		raw, ok := arg.([]byte)
		if !ok {
			raw = fmt.Append(nil, arg)
		}
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(raw), raw)
	}
	return b
}

// framer cuts a stream into messages.
type framer struct {
	r   io.Reader
	len func([]byte) (int, error) // how long the first message is: frameLen, or commandLen
	buf []byte                    // what has been read and not been taken
}

// read waits for more bytes.
func (f *framer) read() error {
	if cap(f.buf)-len(f.buf) < 16<<10 {
		f.buf = slices.Grow(f.buf, 64<<10) // elsewhere: what has been taken is never written over
	}
	n, err := f.r.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// take returns the next message if it has come wholly, else errShort. The bytes stay valid.
func (f *framer) take() ([]byte, error) {
	if len(f.buf) == 0 {
		return nil, errShort
	}
	n, err := f.len(f.buf)
	if err != nil {
		return nil, err
	}
	frame := f.buf[:n:n]
	f.buf = f.buf[n:]
	return frame, nil
}

// next waits for the next message.
func (f *framer) next() ([]byte, error) {
	for {
		frame, err := f.take()
		if !errors.Is(err, errShort) {
			return frame, err
		}
		if err := f.read(); err != nil {
			return nil, err
		}
	}
}
