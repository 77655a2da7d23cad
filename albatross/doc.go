// Package albatross runs applications that were written for Object Craft's Albatross, after a port of their pages to Go, on
// the sessions of package core.
//
// An Application has pages, which are registered by name. A request loads the user's session, and with it the page where
// the user is; the fields of the form become locals, the page processes the request, perhaps goes to another page, and the
// page is shown. Then the session is saved, and the page leaves:
//
//	type login struct{}
//
//	func (login) PageProcess(ctx *albatross.Context) error {
//		if ctx.ReqEquals("login") {
//			return ctx.SetPage("home")
//		}
//		return nil
//	}
//
//	func (login) PageDisplay(ctx *albatross.Context) error { return ctx.RunTemplate("login.html", nil) }
//
// What Python composes from mixin classes is composed here from two values of Config: a SessionMixin, which keeps the
// session variables, and a RecorderMixin, which decides what becomes a local. Methods return an error where Python raises.
//
// The porting guide is docs/porting-albatross.md.
package albatross
