package core

import (
	"testing"
	"unsafe"
)

// TestSizes guards what requests with a session pay: beyond 288 bytes the allocator gives 320.
func TestSizes(t *testing.T) {
	for name, size := range map[string]uintptr{
		"Session":    unsafe.Sizeof(Session{}),
		"commitWork": unsafe.Sizeof(commitWork{}),
	} {
		if size > 288 {
			t.Errorf("a %s takes %d bytes", name, size)
		}
	}
}
