package compat

import (
	"testing"
	"unsafe"
)

// TestRequestIsSmall guards what every request pays, sessions or not: beyond 512 bytes the allocator gives 576.
func TestRequestIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(request{}); size > 512 {
		t.Errorf("a request takes %d bytes", size)
	}
}
