package program

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"testing"
)

// The test program itself is what the tests start: with this variable set it is a small server.
const serveEnv = "PROGRAM_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

func serve() {
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") }))
	fmt.Printf("listening on http://%s/\n", l.Addr())
	for range 10_000 {
		fmt.Println("more output than a pipe holds")
	}
	<-interrupt
}

func TestStartAndStop(t *testing.T) {
	t.Setenv(serveEnv, "yes")
	p := Start(t, os.Args[0])
	resp, err := http.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "here" {
		t.Errorf("got %q", body)
	}
	p.Stop()
	if resp, err := http.Get(p.URL); err == nil {
		resp.Body.Close()
		t.Error("it still answers after Stop")
	}
}
