//go:build unix

package bench

import (
	"syscall"
	"time"
)

// cpuUsed returns the processor time of this process so far, the kernel's for it included.
func cpuUsed() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
