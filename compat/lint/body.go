package lint

import (
	"iter"
	"reflect"

	"github.com/holdover-web/holdover/compat"
)

// body is a watched body.
type body struct {
	c     *call
	inner compat.Body
	file  bool // made by compat.File, which ends at the Content-Length
}

var fileType = reflect.TypeOf(compat.File(nil))

// Blocks checks how the body is iterated, and what it yields.
func (b *body) Blocks() iter.Seq2[[]byte, error] {
	c := b.c
	c.mu.Lock()
	again, closed := c.ranged, c.closed
	c.ranged = true
	c.mu.Unlock()
	if again {
		c.outside("blocks-twice", "the body's blocks were asked for twice")
	}
	if closed {
		c.outside("block-after-close", "the body was iterated after it was closed")
	}
	seq := b.inner.Blocks()
	if seq == nil {
		c.inside("body-nil-blocks", "Blocks returned nil")
		return func(yield func([]byte, error) bool) {
			if err := c.failure(); err != nil {
				yield(nil, err)
			}
		}
	}
	return func(yield func([]byte, error) bool) {
		c.setInBody(true)
		defer c.setInBody(false)
		i := &iteration{b: b, yield: yield}
		seq(i.next)
		if i.stopped {
			return
		}
		c.complete()
		if err := c.failure(); err != nil {
			yield(nil, err)
		}
	}
}

func (c *call) setInBody(v bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inBody = v
}

// iteration is one pass over a body.
type iteration struct {
	b       *body
	yield   func([]byte, error) bool
	stopped bool // whoever iterates wants no more, or there was an error
	cut     bool // a file has reached the Content-Length
}

// next gets a block from the application.
func (i *iteration) next(block []byte, err error) bool {
	c := i.b.c
	if i.stopped || i.cut {
		c.inside("block-after-stop", "the body yielded another block when none was wanted any more")
		return false
	}
	if err != nil {
		if len(block) > 0 {
			c.inside("block-with-error", "the body yielded a block of %d bytes together with an error", len(block))
		}
		i.stopped = true
		i.yield(block, err)
		return false
	}
	if i.b.file {
		block = i.trim(block)
	}
	c.checkBlock(block)
	if err := c.failure(); err != nil {
		i.stopped = true
		i.yield(nil, err)
		return false
	}
	return i.hand(block) && !i.cut
}

// hand gives a block to whoever iterates.
func (i *iteration) hand(block []byte) bool {
	c := i.b.c
	outer := c.pair != nil && c.l.above != ""
	if outer {
		c.pair.give()
	}
	var before int
	if c.pair != nil {
		before = c.pair.count()
	}
	if !i.yield(block, nil) {
		i.stopped = true
		return false
	}
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		c.outside("block-after-close", "the body was iterated after it was closed")
	}
	if c.pair != nil && !outer && c.pair.count() == before {
		c.outside("middleware-delays", "the middleware asked for the next block and has given none for the one that it got")
	}
	return true
}

// trim cuts a file where the server would.
func (i *iteration) trim(block []byte) []byte {
	c := i.b.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := c.declared - c.sent; c.declared >= 0 && int64(len(block)) >= left {
		i.cut = true
		return block[:max(left, 0)]
	}
	return block
}

// checkBlock checks a block before it is handed on.
func (c *call) checkBlock(block []byte) {
	c.mu.Lock()
	started := c.started
	c.mu.Unlock()
	if len(block) > 0 && !started && !c.direct() {
		c.inside("block-before-start", "the body yielded a block before start_response was called")
	}
	c.count(len(block))
}

// Close checks that it is called once, and ends the call.
func (b *body) Close() error {
	c := b.c
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		c.outside("close-twice", "the body was closed twice")
	}
	defer c.end()
	err := b.inner.Close()
	if err == nil {
		err = c.failure()
	}
	return err
}
