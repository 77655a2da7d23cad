package bench

import (
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
)

// Client is one browser: it keeps its cookies, and calls the handler directly.
type Client struct {
	handler http.Handler
	jar     map[string]string
}

// NewClient returns a browser without cookies.
func NewClient(h http.Handler) *Client { return &Client{handler: h, jar: map[string]string{}} }

// Get sends one request and keeps the cookies that the answer sets.
func (c *Client) Get(op Op) (status int, body string) {
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, c.request(op))
	for _, cookie := range w.Result().Cookies() {
		c.jar[cookie.Name] = cookie.Value
	}
	return w.Code, w.Body.String()
}

// Repeat returns a function that sends the same request each time it is called, with the cookies the
// client has now, and returns the status. It reuses request and response, so that it adds next to
// nothing to what the handler costs.
func (c *Client) Repeat(op Op) func() (status int) {
	fresh := c.request(op)
	r, w := new(http.Request), &response{header: http.Header{}}
	return func() int {
		*r = *fresh // some libraries keep what they loaded in the request
		w.reset()
		c.handler.ServeHTTP(w, r)
		return w.status
	}
}

func (c *Client) request(op Op) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/"+string(op), nil)
	pairs := make([]string, 0, len(c.jar))
	for name, v := range c.jar {
		pairs = append(pairs, name+"="+v)
	}
	if len(pairs) > 0 {
		sort.Strings(pairs)
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	return r
}

// response is a ResponseWriter that keeps the status only.
type response struct {
	header http.Header
	status int
}

func (w *response) reset() {
	clear(w.header)
	w.status = 0
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}

func (w *response) WriteString(s string) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(s), nil
}
