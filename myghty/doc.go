// Package myghty runs applications that were written for Myghty, or that keep their sessions with its successor Beaker,
// after a port of their components to Go, on the sessions of package core.
//
// A component is a function of the request object m, as in Myghty's templates:
//
//	func hello(m *myghty.Request) error {
//		s, err := m.GetSession(nil)
//		if err != nil {
//			return err
//		}
//		if err := s.Set("user", m.Arg("user")); err != nil {
//			return err
//		}
//		m.Writef("Hello %s", html.EscapeString(m.Arg("user")))
//		return s.Save()
//	}
//
// # The session
//
// The session is read whole, at one moment, when it is asked for. Nothing is held after that: the frames, images and
// scripts of a page, which all come for the session at the same time, do not wait for each other's work. A component sees
// the session as of that moment, and its own changes. Session.Save writes the names that it has changed; what it does
// not save is forgotten. Session.Lock makes a read-modify-write safe.
//
// Methods return an error where Python raises. The porting guide is docs/porting-myghty.md.
package myghty
