package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/gomodule/redigo/redis"

	"github.com/holdover-web/holdover/core"
)

var (
	// ErrTimeout is matched by the error of a call that Redis did not answer within Config.Timeout or
	// before the caller's context ended; then the error matches ctx.Err() too. Whether a write was
	// carried out is not known.
	ErrTimeout = errors.New("redisstore: Redis did not answer in time")

	// ErrBusy is matched by the error of a call that found Config.MaxPending others in front of it on
	// its connection and could not be sent within Config.Timeout. Nothing was done. Raise Connections, or give
	// Redis more room.
	ErrBusy = errors.New("redisstore: too many calls wait for Redis")

	// ErrUnknown is matched by the error of a save whose reply was lost, when others have saved the session so often
	// since, or have rotated it, that it can not be told any more whether it was carried out.
	ErrUnknown = errors.New("redisstore: it is not known whether the save was carried out")

	// ErrNewer is matched by the error of a call for a session that a newer version of this package wrote.
	// Nothing was changed. Upgrade this program.
	ErrNewer = errors.New("redisstore: the session was written by a newer version")
)

// failure says that a connection did not bring a reply.
type failure struct {
	sent bool // Redis may have carried the command out
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// timedOut is ErrTimeout that keeps why.
func timedOut(ctx context.Context, addr string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrTimeout, addr, err)
	}
	return fmt.Errorf("%w: %s", ErrTimeout, addr)
}

// transient reports whether the server refused a command for a reason that passes, and whether its
// address has to be found anew.
func transient(err redis.Error) (again, resolve bool) {
	word, rest, _ := strings.Cut(string(err), " ")
	if word == "ERR" && (strings.Contains(rest, " -READONLY ") || strings.Contains(rest, " -NOREPLICAS ")) {
		word = "READONLY" // Redis 6.2 says so of a command in a script
	}
	switch word {
	case "READONLY", "MASTERDOWN", "NOREPLICAS":
		return true, true
	case "LOADING", "TRYAGAIN", "CLUSTERDOWN", "BUSY":
		return true, word == "CLUSTERDOWN"
	}
	return false, false
}

// hopeless reports whether a connection could not be made for a reason that trying again does not mend.
func hopeless(err error) bool {
	switch e := err.(type) {
	case nil:
		return false
	case redis.Error:
		word, text, _ := strings.Cut(string(e), " ")
		if word != "ERR" {
			return word == "WRONGPASS" || word == "NOAUTH" || word == "NOPERM"
		}
		for _, part := range []string{"without any password", "DB index", "cluster support disabled", "unknown command"} {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	case *tls.CertificateVerificationError:
		return true
	case *net.OpError:
		return e.Op == "remote error" || hopeless(e.Err) // what the other side says in TLS
	case interface{ Unwrap() []error }: // of several servers
		for _, e := range e.Unwrap() {
			if !hopeless(e) {
				return false
			}
		}
		return true
	}
	return hopeless(errors.Unwrap(err))
}

// asError turns the replies that the scripts have in common into the errors of the Store contract. absent is what
// the method says when there is no session.
func asError(reply any, key core.Key, absent error) error {
	if reply == nil {
		return absent
	}
	parts, ok := reply.([]any)
	if !ok || len(parts) == 0 {
		return nil
	}
	word, ok := parts[0].([]byte)
	if !ok {
		return nil // not about an error
	}
	switch string(word) {
	case "moved":
		to, _ := parts[1].([]byte)
		return &core.MovedError{Key: key, To: string(to)}
	case "lost":
		return core.ErrLockLost
	case "merged", "conflict", "locked":
		return nil // the caller sees to it
	case "exists":
		return core.ErrExists
	case "large":
		return core.ErrTooLarge
	case "unknown":
		return ErrUnknown
	case "newer":
		return fmt.Errorf("%w (session %s)", ErrNewer, key.Hash())
	case "bad":
		return errBad
	}
	return fmt.Errorf("redisstore: session %s: a script replied %q", key.Hash(), word)
}

// errBad says that what is stored can not be read; callers set it aside.
var errBad = errors.New("redisstore: not a session")
