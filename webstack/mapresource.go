package webstack

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// MapResource hands requests on to other resources, by the first part of the path that was not looked at yet: WebStack's
// MapResource. Of "/mammals/cat" it takes "mammals", and the resource of that name finds "/cat" with GetVirtualPathInfo. A
// path that ends in a slash has "" as its last part. Set the fields before it serves, then leave them alone.
type MapResource struct {
	// Mapping are the resources by name: the argument mapping. Names have no slashes.
	Mapping map[string]Resource

	// Default gets what no name matches: mapping[None]. The part that did not match is taken from the path too, unless
	// PassThrough is set. Default: a page with status 404.
	Default Resource

	// PassThrough leaves the path as it is for Default: pass_through.
	PassThrough bool

	// NoDirectoryRedirects hands a path that ends before the slash, such as "/app", on as if it were "/app/". By default
	// the client is redirected there, so that relative links work: directory_redirects. Only GET and HEAD are; other
	// methods would lose their body.
	NoDirectoryRedirects bool

	// Charset is how the path is decoded: path_encoding. Default: the setting default_charset.
	Charset *Charset
}

// Respond implements Resource.
func (m *MapResource) Respond(t *Transaction) error {
	path := t.GetVirtualPathInfo(m.Charset)
	if path == "" && !m.NoDirectoryRedirects {
		if method := t.GetRequestMethod(); method == http.MethodGet || method == http.MethodHead {
			return t.Redirect(t.location("/"))
		}
	}
	name, rest, more := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if more {
		rest = "/" + rest
	}
	if r := m.Mapping[name]; r != nil {
		t.SetVirtualPathInfo(rest)
		return r.Respond(t)
	}
	if m.Default == nil {
		return &StatusError{Code: http.StatusNotFound, Message: "There is nothing under this address."}
	}
	if !m.PassThrough {
		t.SetVirtualPathInfo(rest)
	}
	return m.Default.Respond(t)
}

func (m *MapResource) check(where string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(m.Mapping)) {
		place := fmt.Sprintf("%s.Mapping[%q]", where, name)
		switch r := m.Mapping[name]; {
		case r == nil:
			errs = append(errs, fmt.Errorf("webstack: %s is nil", place))
		case strings.Contains(name, "/"):
			errs = append(errs, fmt.Errorf("webstack: %s: no part of a path has a slash; put a MapResource into a MapResource", place))
		case r != Resource(m):
			errs = append(errs, checkResource(place, r))
		}
	}
	if m.Default != nil && m.Default != Resource(m) {
		errs = append(errs, checkResource(where+".Default", m.Default))
	}
	return errors.Join(errs...)
}
