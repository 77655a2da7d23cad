// Package bench compares Holdover with other ways to keep sessions in a Go web server: the same four
// requests, served by each of them in one process, without a network in between.
//
// Every peer keeps a session of ten names and about 1 KB, and serves these paths on Echo:
//
//	/read       reads one of its strings
//	/write      adds one to its counter
//	/untouched  has a session and leaves it alone
//	/new        creates the session
//	/count      answers with the counter, so that a test sees that it really counts
//
// A handler sets one header and writes a small body. It answers 404 where the session does not hold
// what it should, so that no measurement can be of nothing.
//
// To compare: go run ./report. To run one benchmark: go test -bench 'Request/scs/write'.
package bench

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// Op is what one request does to its session; it is served at the path of that name.
type Op string

// The requests that are measured.
const (
	Read      Op = "read"
	Write     Op = "write"
	Untouched Op = "untouched"
	New       Op = "new" // by a client that has no cookie yet
)

// Ops are all of them, in the order of the tables.
var Ops = []Op{Read, Write, Untouched, New}

// Medium is where a peer's sessions are kept.
type Medium string

const (
	Nowhere Medium = "none"   // in the cookie, or not at all
	Memory  Medium = "memory" // in the process
	Tmpfs   Medium = "tmpfs"  // in files in memory, never synced
	Disk    Medium = "disk"   // in files on a disk, synced
	InRedis Medium = "redis"  // in a Redis server on this machine
)

// Peer is one way to keep sessions.
type Peer struct {
	Name   string
	Medium Medium
	Ops    []Op // what is measured; nil for all of Ops

	// Bare is set for a peer that keeps no session and answers every path alike.
	Bare bool

	// Open starts it afresh. dir is an empty folder on the peer's medium, for a peer that keeps files.
	// The function returned releases what Open started.
	Open func(dir string) (h http.Handler, closer func() error, err error)
}

// Peers are all of them, in the order of the tables.
func Peers() []Peer {
	return []Peer{
		echoPeer, holdoverHello, overTCP(echoPeer, "echo-tcp"), overTCP(holdoverHello, "holdover-wsgi-tcp"),
		floorMemory, holdoverCompat, holdoverWSGI, holdoverWebKit, holdoverMyghty, holdoverWebStack, holdoverAlbatross, scsMemory,
		echoContribCookie,
		floorFile(Tmpfs), holdoverFile("holdover-file-tmpfs", Tmpfs, "none"), gorillaFile,
		floorFile(Disk), holdoverFile("holdover-file-disk", Disk, "file"), holdoverFile("holdover-file-full", Disk, "full"),
	}
}

// Measures reports whether op is measured on the peer.
func (p Peer) Measures(op Op) bool {
	if p.Ops == nil {
		return true
	}
	for _, o := range p.Ops {
		if o == op {
			return true
		}
	}
	return false
}

// Bench measures one operation of the peer, started afresh in a new folder below base.
func (p Peer) Bench(b *testing.B, op Op, base string) {
	dir, err := os.MkdirTemp(base, "holdover-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	h, closer, err := p.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	client := NewClient(h)
	if op != New {
		if status, body := client.Get(New); status != http.StatusOK {
			b.Fatalf("%s: /new: status %d: %s", p.Name, status, body)
		}
	}
	request := client.Repeat(op)

	b.ReportAllocs()
	for b.Loop() {
		if status := request(); status != http.StatusOK {
			b.Fatalf("%s: /%s: status %d", p.Name, op, status)
		}
	}
	if err := closer(); err != nil {
		b.Fatal(err)
	}
}

// Folder returns where the files of a medium go: memory-backed for Tmpfs if the system has such a
// place, the folder for temporary files otherwise.
func Folder(m Medium) string {
	if m == Tmpfs {
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
			return "/dev/shm"
		}
	}
	return filepath.Clean(os.TempDir())
}

// The session: two integers and eight strings of 128 bytes.
const (
	counter   = "visits"
	user      = "user"
	textRead  = "text3" // what /read reads
	textSize  = 128
	textCount = 8
)

// value is one name of a session with its first value.
type value struct {
	name string
	of   any
}

var values = func() []value {
	vs := []value{{counter, 0}, {user, 4711}}
	for i := range textCount {
		vs = append(vs, value{"text" + strconv.Itoa(i), text(i)})
	}
	return vs
}()

var wantText = text(3)

func text(i int) string { return strings.Repeat(string(rune('a'+i)), textSize) }

// handlers are a peer's own; /untouched is the same for all.
type handlers struct {
	read, write, create, count echo.HandlerFunc
}

// serve mounts the handlers behind the peer's middleware.
func serve(h handlers, middleware ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.Use(middleware...)
	e.GET("/read", h.read)
	e.GET("/write", h.write)
	e.GET("/untouched", ok)
	e.GET("/new", h.create)
	e.GET("/count", h.count)
	return e
}

var okBody = []byte("ok\n")

// ok is the answer of a request whose session held what it should.
func ok(c echo.Context) error { return c.Blob(http.StatusOK, "text/plain", okBody) }

// missing is the answer where it did not.
func missing(c echo.Context) error { return c.NoContent(http.StatusNotFound) }

// number answers with the counter.
func number(c echo.Context, n int) error { return c.String(http.StatusOK, fmt.Sprint(n)) }

func closeNothing() error { return nil }
