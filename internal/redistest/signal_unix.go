//go:build unix

package redistest

import (
	"os"
	"syscall"
)

var signalStop, signalContinue os.Signal = syscall.SIGSTOP, syscall.SIGCONT
