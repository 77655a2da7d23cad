package compat

import (
	"testing"
	"unsafe"
)

// TestRequestIsSmall guards what every request pays, sessions or not: beyond 480 bytes the allocator gives 512.
func TestRequestIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(request{}); size > 480 {
		t.Errorf("a request takes %d bytes", size)
	}
}
