//go:build !unix

package redistest

import "os"

// Sending these fails, and with it the test that pauses a server.
var signalStop, signalContinue os.Signal = os.Interrupt, os.Interrupt
