// Package webkit runs applications that were written for Webware's WebKit, after a port of their
// servlets to Go, on the sessions of package core.
//
// A servlet is a struct that embeds Page or HTTPServlet and implements the methods that its Python class
// overrode. Where Python finds an overridden method through self, the package finds it through
// Transaction.Servlet: the servlet that runs now. So a servlet overrides a method by having one of that
// name, and calls its base class through the embedded field:
//
//	type Counter struct{ webkit.Page }
//
//	func (c *Counter) WriteContent() error {
//		s, err := c.Session()
//		...
//	}
//
// Each request gets its own servlet from a Factory, so that servlets may keep the state of a request in
// their fields. Methods return an error where Python raises; see ErrEndResponse for EndResponse.
//
// The porting guide is docs/porting-webkit.md.
package webkit
