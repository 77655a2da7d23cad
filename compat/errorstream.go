package compat

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"unicode/utf8"
)

// maxErrorLine bounds what one line of an ErrorStream keeps in memory; longer ones are logged in parts.
const maxErrorLine = 8 << 10

// ErrorStream is wsgi.errors of PEP 3333: text for the operator. Each line becomes one record of level
// Error in the log. It may be used from several goroutines.
type ErrorStream struct {
	ctx context.Context
	log *slog.Logger

	mu   sync.Mutex
	line []byte // what has no line feed yet
}

// NewErrorStream returns a stream that logs to log in the name of ctx, for middleware that puts another one in place
// of the server's: env.Set("wsgi.errors", stream). The middleware flushes it at the end of its call.
func NewErrorStream(ctx context.Context, log *slog.Logger) *ErrorStream {
	return &ErrorStream{ctx: ctx, log: log}
}

// Write logs the lines in p and keeps an unfinished one. It never fails.
func (e *ErrorStream) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.line = append(e.line, p...)
	for {
		i := bytes.IndexByte(e.line, '\n')
		if i < 0 && len(e.line) < maxErrorLine {
			return len(p), nil
		}
		if i < 0 || i > maxErrorLine {
			i = wholeRunes(e.line[:maxErrorLine]) - 1
			e.emit(e.line[:i+1])
		} else {
			e.emit(e.line[:i])
		}
		e.line = append(e.line[:0], e.line[i+1:]...)
	}
}

// wholeRunes returns the length of line without a character that is cut off at its end.
func wholeRunes(line []byte) int {
	for i := len(line) - 1; i > len(line)-utf8.UTFMax; i-- {
		if utf8.RuneStart(line[i]) {
			if utf8.FullRune(line[i:]) {
				break
			}
			return i
		}
	}
	return len(line)
}

// WriteString is Write for a string.
func (e *ErrorStream) WriteString(s string) (int, error) { return e.Write([]byte(s)) }

// WriteLines writes each string as it is: writelines in Python, which adds no line feeds either.
func (e *ErrorStream) WriteLines(lines ...string) error {
	for _, line := range lines {
		if _, err := e.WriteString(line); err != nil {
			return err
		}
	}
	return nil
}

// Flush logs an unfinished line. The server does this at the end of the request.
func (e *ErrorStream) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emit(e.line)
	e.line = e.line[:0]
	return nil
}

func (e *ErrorStream) emit(line []byte) {
	if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
		e.log.ErrorContext(e.ctx, string(line), "stream", "wsgi.errors")
	}
}
