package redisstore

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Scripts are written in files of their own. A line "-- include: NAME" stands for another of the files.
//
//go:embed lua/*.lua
var luaFiles embed.FS

// script is what Redis runs as one step.
type script struct {
	text string
	sha  any // the SHA-1 by which Redis knows the text, as an argument of commands

	// patience is how long a call that has been sent goes on waiting for its reply when its context has
	// ended, so that mostly the caller learns what was done, and nothing is done after it was told.
	patience time.Duration
}

// enough is the patience of scripts that change something.
const enough = 100 * time.Millisecond

var scripts []*script

var (
	createScript = newScript("create", enough)
	loadScript   = newScript("load", 0)
	saveScript   = newScript("save", enough)
	lockScript   = newScript("lock", enough)
	unlockScript = newScript("unlock", enough)
	renewScript  = newScript("renew", enough)
	waitScript   = newScript("wait", 0)
	rotateScript = newScript("rotate", enough)
	deleteScript = newScript("delete", enough)
	sweepScript  = newScript("sweep", enough)
	toldScript   = newScript("told", enough)
	asideScript  = newScript("aside", enough)
	listScript   = newScript("list", 0)
	metaScript   = newScript("meta", 0)
)

// newScript puts a script together from embedded files. It panics if one is missing.
func newScript(name string, patience time.Duration) *script {
	text := luaFile(name)
	sum := sha1.Sum([]byte(text))
	s := &script{text: text, sha: hex.EncodeToString(sum[:]), patience: patience}
	scripts = append(scripts, s)
	return s
}

func luaFile(name string) string {
	b, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the binary was built without it
	}
	var text strings.Builder
	for line := range strings.Lines(string(b)) {
		if other, ok := strings.CutPrefix(line, "-- include: "); ok {
			line = luaFile(strings.TrimSpace(other))
		}
		text.WriteString(line)
	}
	return text.String()
}

// on runs the script on a connection, by its name if Redis knows it and else by its text. args are a place
// for either, the number of keys, the keys and the arguments. A server that is taking a slot over must be
// asked to let the very next command in.
func (r *request) on(ctx context.Context, l *link, args []any, asking bool) (any, error) {
	args[0] = r.sha
	reply, err := r.send(ctx, l, "EVALSHA", args, asking)
	if e, ok := err.(redis.Error); ok && strings.HasPrefix(string(e), "NOSCRIPT") {
		args[0] = r.text // SCRIPT FLUSH, a restart or a failover took it
		reply, err = r.send(ctx, l, "EVAL", args, asking)
	}
	return reply, err
}

func (r *request) send(ctx context.Context, l *link, eval string, args []any, asking bool) (any, error) {
	if r.then == nil && !asking {
		return l.do(ctx, eval, args, r.patience, r.late)
	}
	var commands []command
	if asking {
		commands = append(commands, command{name: "ASKING"})
	}
	commands = append(commands, command{eval, args})
	at := len(commands) - 1
	if r.then != nil {
		if asking {
			commands = append(commands, command{name: "ASKING"})
		}
		commands = append(commands, *r.then)
	}
	replies, err := l.all(ctx, commands, r.patience, r.late)
	if err != nil {
		return nil, err
	}
	for _, reply := range replies[at:] {
		if e, ok := reply.(redis.Error); ok {
			return nil, e
		}
	}
	if r.then == nil {
		return replies[at], nil
	}
	return both{replies[at], replies[len(replies)-1]}, nil
}

// both is the reply to a script and to the command behind it.
type both struct{ script, then any }
