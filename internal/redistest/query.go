package redistest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Do sends a command on a connection of the server's own and returns the reply as Conn.Do does. It may
// be called from any goroutine; what must happen on one connection needs a Conn.
func (s *Server) Do(args ...any) (any, error) {
	s.mu.Lock()
	conn, p := s.conn, s.proc
	s.conn = nil // for Kill must not wait for a reply
	s.mu.Unlock()
	if conn == nil {
		var err error
		if conn, err = s.Dial(); err != nil {
			return nil, err
		}
	}
	v, err := conn.Do(args...)
	_, replied := errors.AsType[Error](err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if (err == nil || replied) && s.conn == nil && s.proc == p {
		s.conn = conn
	} else {
		_ = conn.Close()
	}
	return v, err
}

// Dial opens a connection to the server and logs in with the password of a "--requirepass". It may be
// called from any goroutine.
func (s *Server) Dial() (*Conn, error) {
	conn, err := Dial(s.Addr())
	if err != nil || s.password == "" {
		return conn, err
	}
	if _, err := conn.Do("AUTH", s.password); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// must is Do for what is not expected to fail.
func (s *Server) must(args ...any) any {
	s.t.Helper()
	v, err := s.Do(args...)
	if err != nil {
		s.t.Fatalf("redistest: %s: %v: %v", s.Addr(), args, err)
	}
	return v
}

// Info returns the fields of a section of INFO: "memory", "replication" and so on, or "everything".
func (s *Server) Info(section string) map[string]string {
	s.t.Helper()
	info, err := s.info(section)
	if err != nil {
		s.t.Fatalf("redistest: INFO %s: %v", section, err)
	}
	return info
}

func (s *Server) info(section string) (map[string]string, error) {
	v, err := s.Do("INFO", section)
	if err != nil {
		return nil, err
	}
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("INFO: a %T", v)
	}
	return fields(text, "\r\n", ":"), nil
}

// fields reads "name=value,name=value" and the like.
func fields(text, end, is string) map[string]string {
	m := map[string]string{}
	for part := range strings.SplitSeq(text, end) {
		if name, value, ok := strings.Cut(part, is); ok {
			m[name] = value
		}
	}
	return m
}

// CommandStat is what a server says of the calls of one command.
type CommandStat struct {
	Calls    int           // executed, those by scripts too
	Rejected int           // refused before they were executed
	Failed   int           // executed with an error
	Time     time.Duration // that all of them took together
}

// CommandStats returns INFO's commandstats since the server started, or since Do("CONFIG", "RESETSTAT").
// Names are in lower case: "get", "script|load".
func (s *Server) CommandStats() map[string]CommandStat {
	s.t.Helper()
	stats := map[string]CommandStat{}
	for name, text := range s.Info("commandstats") {
		f := fields(text, ",", "=")
		stats[strings.TrimPrefix(name, "cmdstat_")] = CommandStat{
			Calls:    s.number(f["calls"]),
			Rejected: s.number(f["rejected_calls"]),
			Failed:   s.number(f["failed_calls"]),
			Time:     time.Duration(s.number(f["usec"])) * time.Microsecond,
		}
	}
	return stats
}

func (s *Server) number(text string) int {
	s.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("redistest: INFO: %v", err)
	}
	return n
}

// Keys returns the names of database 0 that match the pattern, sorted. It uses SCAN, so what is added or
// deleted meanwhile may be missed.
func (s *Server) Keys(pattern string) []string {
	s.t.Helper()
	seen := map[string]bool{}
	for cursor := any("0"); ; {
		page, ok := s.must("SCAN", cursor, "MATCH", pattern, "COUNT", 1000).([]any)
		if !ok || len(page) != 2 {
			s.t.Fatalf("redistest: SCAN: %v", page)
		}
		for _, key := range page[1].([]any) {
			seen[key.(string)] = true
		}
		if cursor = page[0]; cursor == "0" {
			return slices.Sorted(maps.Keys(seen))
		}
	}
}

// UsedCPU returns the processor time that the server has used since it started: its own and the kernel's
// for it.
func (s *Server) UsedCPU() time.Duration {
	s.t.Helper()
	info := s.Info("cpu")
	var sum float64
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(info[name], 64)
		if err != nil {
			s.t.Fatalf("redistest: INFO cpu: %v", err)
		}
		sum += seconds
	}
	return time.Duration(sum * float64(time.Second))
}
