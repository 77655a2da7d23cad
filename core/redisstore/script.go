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
	sha  string // the SHA-1 by which Redis knows the text

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

// on runs the script on a connection, by its name if Redis knows it and else by its text. A server that is taking a
// slot over must be asked to let the very next command in.
func (r *request) on(ctx context.Context, l *link, again, asking bool) (any, error) {
	reply, err := r.send(ctx, l, "EVALSHA", r.sha, again, asking)
	if e, ok := err.(redis.Error); ok && strings.HasPrefix(string(e), "NOSCRIPT") {
		reply, err = r.send(ctx, l, "EVAL", r.text, again, asking) // SCRIPT FLUSH, a restart or a failover took it
	}
	return reply, err
}

func (r *request) send(ctx context.Context, l *link, eval, script string, again, asking bool) (any, error) {
	p := newPacked()
	defer p.free()
	var run command
	if r.pack != nil {
		p.begin(eval, 1+r.packs)
		p.text(script)
		r.pack(p, again)
		run.raw = p.b
	} else {
		run = command{name: eval, args: r.args(again)}
		run.args[0] = script
	}
	if r.then == "" && !asking {
		return l.do(ctx, run, r.patience, r.late)
	}
	commands := make([]command, 0, 4)
	if asking {
		commands = append(commands, command{name: "ASKING"})
	}
	commands = append(commands, run)
	at := len(commands) - 1
	if r.then != "" {
		if asking {
			commands = append(commands, command{name: "ASKING"})
		}
		begin := len(p.b)
		p.get(r.then)
		commands = append(commands, command{raw: p.b[begin:]})
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
	if r.then == "" {
		return replies[at], nil
	}
	return both{replies[at], replies[len(replies)-1]}, nil
}

// both is the reply to a script and to the command behind it.
type both struct{ script, then any }
