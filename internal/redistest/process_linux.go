package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the program killed when the test binary ends in a way that runs no cleanup, such
// as a timeout.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
