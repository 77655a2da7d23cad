package history

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// counter is the model of a number that is incremented: each increment returns one more than the one
// before it.
var counter = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, _, output any) (bool, any) {
		return output == state.(int)+1, output
	},
	DescribeOperation: func(_, output any) string { return fmt.Sprintf("increment: %d", output) },
}

// Increments runs clients that each call increment so many times, and checks that the numbers they
// get could come from increments made one after the other, in an order that agrees with the times of
// the calls. increment works on a number that begins at 0, and returns what it made of it.
func Increments(t *testing.T, clients, times int, increment func(client int) (int, error)) {
	t.Helper()
	if err := increments(t.ArtifactDir(), clients, times, increment); err != nil {
		t.Error(err)
	}
}

func increments(dir string, clients, times int, increment func(client int) (int, error)) error {
	r := NewRecorder()
	failed := make(chan error, clients)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for client := range clients {
		wg.Go(func() {
			<-begin
			for range times {
				began := time.Since(r.start)
				n, err := increment(client)
				if err != nil {
					failed <- fmt.Errorf("history: client %d: %w", client, err)
					return
				}
				r.record(client, began, nil, n)
				runtime.Gosched() // else a quick increment would serve one client after the other
			}
		})
	}
	close(begin)
	wg.Wait()
	if len(failed) > 0 {
		return <-failed
	}
	return explain(counter, r.ops, dir)
}
