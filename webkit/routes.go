package webkit

import (
	"fmt"
	"strings"
)

// Factory makes a servlet for one request: Webware's ServletFactory. It is called from several goroutines.
type Factory func() Servlet

// route is a path of the application and who answers it.
type route struct {
	path    string
	factory Factory
}

// routes finds the servlet for a path. It is filled before the application serves, and only read then.
type routes map[string]*route

// add registers a factory under a path.
func (rs routes) add(path string, f Factory) error {
	if path == "" {
		path = "/"
	}
	switch {
	case f == nil:
		return fmt.Errorf("webkit: Add %s: the factory is nil", path)
	case path[0] != '/':
		return fmt.Errorf("webkit: Add %s: the path must begin with a slash", path)
	case rs[path] != nil:
		return fmt.Errorf("webkit: Add %s: the path has a servlet already", path)
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		if part == "." || part == ".." || part == "" && path != "/" {
			return fmt.Errorf("webkit: Add %s: a part of the path is empty, or a dot or two", path)
		}
	}
	rs[path] = &route{path: path, factory: f}
	return nil
}

// find returns the route for a path of the application, and what follows the route's own path.
func (rs routes) find(url string, extraPaths, indexes bool) (r *route, extra string) {
	if r := rs[url]; r != nil || !extraPaths {
		return r, ""
	}
	for at := strings.LastIndexByte(url, '/'); at >= 0; at = strings.LastIndexByte(url[:at], '/') {
		if r := rs[url[:at]]; r != nil {
			return r, url[at:]
		}
		if r := rs[url[:at+1]]; r != nil && indexes {
			return r, url[at:]
		}
	}
	return nil, ""
}

// isFolder reports whether only a slash is missing for the path to be that of an index servlet.
func (rs routes) isFolder(url string) bool { return rs[url+"/"] != nil }
