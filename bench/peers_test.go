package bench

import (
	"net/http"
	"testing"
)

// open starts a peer for the length of the test.
func open(t testing.TB, p Peer) http.Handler {
	t.Helper()
	h, closer, err := p.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closer(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// expect sends one request and checks the answer; an empty body matches any.
func expect(t *testing.T, c *Client, op Op, status int, body string) {
	t.Helper()
	gotStatus, gotBody := c.Get(op)
	if gotStatus != status || body != "" && gotBody != body {
		t.Fatalf("/%s: got %d %q, want %d %q", op, gotStatus, gotBody, status, body)
	}
}

// The numbers are of sessions that really are kept: each browser's own, with the counter counting.
func TestPeersKeepSessions(t *testing.T) {
	for _, p := range Peers() {
		if p.Bare {
			continue
		}
		t.Run(p.Name, func(t *testing.T) { keepsSessions(t, open(t, p)) })
	}
}

func keepsSessions(t *testing.T, h http.Handler) {
	one, two := NewClient(h), NewClient(h)

	expect(t, one, Read, http.StatusNotFound, "")
	expect(t, one, Write, http.StatusNotFound, "")
	expect(t, one, New, http.StatusOK, "ok\n")
	if len(one.jar) == 0 {
		t.Fatal("/new set no cookie")
	}
	expect(t, two, Read, http.StatusNotFound, "")
	expect(t, two, New, http.StatusOK, "ok\n")
	for range 5 {
		expect(t, one, Write, http.StatusOK, "ok\n")
		expect(t, one, Untouched, http.StatusOK, "ok\n")
		expect(t, one, Read, http.StatusOK, "ok\n")
	}
	expect(t, one, "count", http.StatusOK, "5")
	expect(t, two, "count", http.StatusOK, "0")
	expect(t, two, Read, http.StatusOK, "ok\n")
}

// A request that is sent again and again is worked on again and again.
func TestRepeatedRequestsCount(t *testing.T) {
	for _, p := range Peers() {
		if p.Medium == Nowhere {
			continue // what is written goes to the client, and a repeated request does not send it back
		}
		t.Run(p.Name, func(t *testing.T) {
			c := NewClient(open(t, p))
			expect(t, c, New, http.StatusOK, "")
			write := c.Repeat(Write)
			for range 7 {
				if status := write(); status != http.StatusOK {
					t.Fatalf("/write: status %d", status)
				}
			}
			expect(t, c, "count", http.StatusOK, "7")
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	for _, p := range Peers() {
		for _, op := range Ops {
			if p.Measures(op) {
				b.Run(p.Name+"/"+string(op), func(b *testing.B) { p.Bench(b, op, Folder(p.Medium)) })
			}
		}
	}
}
