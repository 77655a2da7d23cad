package bench

import (
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"
)

// floorMemory is what one would write by hand for one process and nothing else: live values in a map
// with a lock per session, without expiry, encoding, limits or policies.
var floorMemory = Peer{
	Name:   "floor-memory",
	Medium: Memory,
	Open: func(string) (http.Handler, func() error, error) {
		m := &memoryFloor{sessions: map[string]*memorySession{}}
		return serve(handlers{read: m.read, write: m.write, create: m.create, count: m.count}), closeNothing, nil
	},
}

const floorCookie = "floor"

type memoryFloor struct {
	mu       sync.RWMutex // guards sessions
	sessions map[string]*memorySession
}

type memorySession struct {
	mu     sync.Mutex // guards values
	values map[string]any
}

// session returns the request's session, or nil.
func (m *memoryFloor) session(c echo.Context) *memorySession {
	cookie, err := c.Request().Cookie(floorCookie)
	if err != nil {
		return nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sessions[cookie.Value]
}

func (m *memoryFloor) read(c echo.Context) error {
	s := m.session(c)
	if s == nil {
		return missing(c)
	}
	s.mu.Lock()
	text, _ := s.values[textRead].(string)
	s.mu.Unlock()
	if text != wantText {
		return missing(c)
	}
	return ok(c)
}

func (m *memoryFloor) write(c echo.Context) error {
	s := m.session(c)
	if s == nil {
		return missing(c)
	}
	s.mu.Lock()
	n, _ := s.values[counter].(int)
	s.values[counter] = n + 1
	s.mu.Unlock()
	return ok(c)
}

func (m *memoryFloor) create(c echo.Context) error {
	s := &memorySession{values: make(map[string]any, len(values))}
	for _, v := range values {
		s.values[v.name] = v.of
	}
	id := rand.Text()
	m.mu.Lock()
	m.sessions[id] = s
	m.mu.Unlock()
	setFloorCookie(c, id)
	return ok(c)
}

func (m *memoryFloor) count(c echo.Context) error {
	s := m.session(c)
	if s == nil {
		return missing(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return number(c, s.values[counter].(int))
}

func setFloorCookie(c echo.Context, id string) {
	c.SetCookie(&http.Cookie{Name: floorCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
