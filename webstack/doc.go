// Package webstack runs applications that were written for WebStack, after a port of their resources to Go, on
// the sessions of package core.
//
// A resource answers requests through a Transaction, which has WebStack's methods in Go spelling:
//
//	func (notes) Respond(t *webstack.Transaction) error {
//		s, err := t.GetSession(true)
//		if err != nil {
//			return err
//		}
//		if err := t.SetContentType(webstack.ContentType{MediaType: "text/html", Charset: "utf-8"}); err != nil {
//			return err
//		}
//		...
//	}
//
// What raised an exception in Python returns an error. A resource passes errors up: the application then takes
// back what the transaction did and answers with an error page. See ErrEndOfResponse for EndOfResponse.
//
// Sessions are core.Serialized if the manager is built from Settings.ManagerConfig: two requests on one session
// run one after the other, as with WebStack's own store, but nobody polls, a crash locks nobody out, and every
// wait has an end.
//
// The porting guide is docs/porting-webstack.md.
package webstack
