package deploy

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/compat/lint"
)

const retry = "retry"

// aroundAll stands in for filters that are no compat.Middleware.
func aroundAll(*Section) (compat.Middleware, error) {
	return nil, errors.New("deploy: this filter is put around the whole site")
}

// retry reads a filter that runs requests again after a conflict; see compat.Retry. It goes around where sessions commit,
// which is around everything.
func (b *builder) retry(s *Section, outermost bool) {
	if !outermost {
		s.Mistake("", "the filter retry runs whole requests again, and has to be the outermost one around the application main")
	}
	b.around = append(b.around, compat.Retry(compat.RetryConfig{
		Tries:       s.Int("tries", 0, 2),
		Pause:       s.limit("pause", 0),
		MaxPause:    s.limit("max_pause", 0),
		MaxBody:     s.Size("max_body", 0),
		MaxResponse: int(s.Size("max_response", 0)),
	}))
}

func newAddSlash(*Section) (compat.Middleware, error) { return compat.AddSlash, nil }

func newLint(s *Section) (compat.Middleware, error) {
	cfg := lint.Config{Name: s.Name(), Strict: s.Bool("strict", false)}
	log := s.Logger()
	cfg.Report = func(ctx context.Context, r lint.Report) { log.WarnContext(ctx, r.String()) }
	var known []string
	for _, c := range lint.Checks() {
		known = append(known, c.Name)
	}
	for _, name := range s.List("ignore") {
		if !slices.Contains(known, name) {
			s.Mistake("ignore", "there is no check %s%s", name, meant(name, known))
			continue
		}
		cfg.Ignore = append(cfg.Ignore, name)
	}
	return func(app compat.Application) compat.Application { return lint.Wrap(app, cfg) }, nil
}

// newStatic serves the files of a folder: those without a dot in front of their name or a folder's, no lists of what there
// is, and nothing that a symbolic link leads out of the folder to.
func newStatic(s *Section) (compat.Application, error) {
	dir := s.String("dir", "")
	if dir == "" {
		s.Mistake("dir", "it is missing: the folder of the files")
		return nil, ErrReported
	}
	root, err := os.OpenRoot(filepath.FromSlash(dir))
	if err != nil {
		s.Mistake("dir", "%v", err)
		return nil, ErrReported
	}
	s.OnClose(func(context.Context) error { return root.Close() })
	return FromHandler(http.FileServerFS(plainFiles{root.FS()})), nil
}

// plainFiles hides folders that have no index.html, and names that begin with a dot.
type plainFiles struct{ fs.FS }

func (p plainFiles) Open(name string) (fs.File, error) {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	f, err := p.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		if _, err := fs.Stat(p.FS, path.Join(name, "index.html")); err != nil {
			_ = f.Close()
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	return f, nil
}

// FromHandler makes an application of an http.Handler. The handler sees the path below the application's, as with
// http.StripPrefix, and finds the session by compat.FromContext.
func FromHandler(h http.Handler) compat.Application {
	return compat.ApplicationFunc(func(env *compat.Environ, _ compat.StartResponse) (compat.Body, error) {
		w := env.ResponseWriter()
		r := *env.Request()
		u := *r.URL
		u.Path, u.RawPath = cmp.Or(env.PathInfo(), "/"), ""
		r.URL = &u
		defer func() { // so that its files are removed
			if outer := env.Request(); outer.MultipartForm == nil {
				outer.MultipartForm = r.MultipartForm
			}
		}()
		h.ServeHTTP(w, &r)
		if res := env.Response(); !res.Sent() && res.Status() == 0 {
			w.WriteHeader(http.StatusOK)
		}
		return nil, nil
	})
}
