package lint

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/holdover-web/holdover/compat"
)

// Config says what becomes of a breach. The zero value logs it.
type Config struct {
	// Name tells in reports which watch speaks: Report.Where. Default: none.
	Name string

	// Report gets each report, on the goroutine that is in breach, and may be called from several at once. The context
	// is the request's. Default: one record in slog.Default, of level Error for a breach and Warn for a warning.
	Report func(ctx context.Context, r Report)

	// Strict makes a breach fail the request: it becomes the error of what the application or server does next, an
	// *Error. Warnings fail nothing, and neither does what is noticed after the body was closed.
	Strict bool

	// Ignore names checks whose breaches are neither reported nor failed. An unknown name is a mistake, and panics.
	Ignore []string
}

// Report tells of one breach. It holds no values of headers, cookies, paths or bodies, which may be secrets. Within
// one call of an application the same breach is reported once.
type Report struct {
	Check          // what was checked, by which rule, and what to do
	By      Party  // who is in breach
	Problem string // what is wrong, in one sentence
	Where   string // the Config.Name of the watch that noticed it
}

// String returns the report as one line.
func (r Report) String() string {
	where := ""
	if r.Where != "" {
		where = r.Where + ": "
	}
	return fmt.Sprintf("%s%s: %s (by the %s). Rule: %s. %s", where, r.Name, r.Problem, r.By, r.Rule, r.Advice)
}

// Error is a breach that failed a request.
type Error struct{ Report Report }

func (e *Error) Error() string { return "lint: " + e.Report.String() }

// Party is a side of the interface.
type Party string

// The parties. To an application that is wrapped alone, whatever is around it is the server.
const (
	ByServer      Party = "server"
	ByMiddleware  Party = "middleware"
	ByApplication Party = "application"
)

// Wrap returns app with a watch over both sides: over what app is given, and over what it gives back. It panics if
// app is nil or the configuration is wrong. The result may be called from several goroutines, as app may.
func Wrap(app compat.Application, cfg Config) compat.Application {
	return newLinter(app, cfg, ByServer, ByApplication)
}

// Middleware returns mw with a watch over its four sides: what it is given by the server and gives back to it, what
// it gives the application that it is put around, and what it gets from that. Beyond what Wrap checks, it sees that
// mw holds no blocks back.
func Middleware(mw compat.Middleware, cfg Config) compat.Middleware {
	newLinter(compat.ApplicationFunc(nil), cfg, ByServer, ByApplication) // panics now, if ever
	return func(app compat.Application) compat.Application {
		key := "holdover.lint." + strconv.FormatInt(instances.Add(1), 10)
		inner := newLinter(app, cfg, ByMiddleware, ByApplication)
		inner.below = key
		outer := newLinter(mw(inner), cfg, ByServer, ByMiddleware)
		outer.above = key
		return outer
	}
}

// instances tells the middleware of one process apart.
var instances atomic.Int64

// linter is a watched application.
type linter struct {
	app             compat.Application
	cfg             Config
	ignore          map[string]bool
	outside, inside Party
	above, below    string // the environ key under which the two watches of one middleware meet, or ""
}

func newLinter(app compat.Application, cfg Config, outside, inside Party) *linter {
	if app == nil {
		panic("lint: no application")
	}
	l := &linter{app: app, cfg: cfg, outside: outside, inside: inside}
	for _, name := range cfg.Ignore {
		if _, known := byName[name]; !known {
			panic("lint: Config.Ignore: there is no check " + strconv.Quote(name))
		}
		if l.ignore == nil {
			l.ignore = make(map[string]bool)
		}
		l.ignore[name] = true
	}
	if l.cfg.Report == nil {
		l.cfg.Report = toLog
	}
	return l
}

// toLog is the default of Config.Report.
func toLog(ctx context.Context, r Report) {
	level := slog.LevelError
	if r.Warning {
		level = slog.LevelWarn
	}
	slog.LogAttrs(ctx, level, "wsgi: "+r.Problem, slog.String("check", r.Name), slog.String("by", string(r.By)),
		slog.String("name", r.Where), slog.String("rule", r.Rule), slog.String("advice", r.Advice))
}

// Call implements compat.Application.
func (l *linter) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	c := &call{l: l, ctx: context.Background(), declared: -1, input: inputWatch{declared: -1}}
	if err := c.checkArguments(env, start); err != nil {
		return nil, err
	}
	c.env, c.start, c.ctx = env, start, env.Context()
	c.checkEnviron()
	if err := c.failure(); err != nil {
		return nil, err
	}
	return c.run()
}
