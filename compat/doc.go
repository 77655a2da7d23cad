// Package compat is what legacy applications and new pages stand on: WSGI's application interface (PEP 3333) in Go,
// and sessions for HTTP requests that are saved before the response leaves.
//
// [Sessions] couples a [core.Manager] with a cookie. [Sessions.Middleware] puts it around any http.Handler,
// [Echo] around Echo handlers. Inside, [FromContext], or [Session] in Echo, opens the request's session when it is
// first asked for. A request that asks for none makes no store call and gets no cookie.
//
// An [Application] is served by [Handler], or mounted on Echo by [EchoMount]. It finds the request in an
// [Environ], with a function under [SessionKey] that opens the session. Every adapter's application is an
// Application. Package lint, below this one, reports applications and middleware that break the rules.
//
// # When is it saved?
//
// Output is held back, up to SessionsConfig.BufferSize, until the request's sessions are committed. The commit
// happens before the first byte leaves, so that a commit which fails can still become an error page, and a
// session that came into being can still set its cookie.
//
//	what happens                     sessions                 the client gets
//	-------------------------------  -----------------------  ------------------------------------------------
//	the handler returns              commit                   cookies, then the response
//	it wrote nothing at all          commit                   cookies, 200, no body
//	output outgrows the buffer       commit at that moment    all of it so far; the rest as it is written
//	Flush, FlushError                commit at that moment    all of it so far, also when that is only headers
//	a file or large reader is        commit when the buffer   the rest by the server's own ReadFrom (sendfile)
//	copied to the response           is full
//	server-sent events               commit at first Flush    each event as it is flushed
//	HEAD                             commit                   cookies and headers
//	304, 204                         commit                   cookies and headers; writing a body is an error
//	103 and other 1xx                nothing                  the 1xx at once; the response follows later
//	101, Hijack                      commit before the        whatever the handler sends; ErrCookieNeeded if a
//	                                 connection is given up   session needs a cookie, and nothing is committed
//	the handler panics               roll back                nothing of what was held back; the panic goes on
//	an Echo handler returns an       roll back                Echo's error page, which may use sessions anew
//	error
//	an Application returns or        roll back                an error page (StatusOf); if a part was sent, the
//	yields an error                                           connection is cut
//	start_response with excInfo      roll back                what the application goes on to say
//	the client hangs up              commit all the same      nothing
//	the commit fails                 roll back the rest       an error page: 503 if the store failed or the
//	                                                          session was busy, 409 if it was changed or ended by
//	                                                          another request, 500 if the data can not be stored
//
// What an Echo handler writes to c.Response().Writer, past Echo's own bookkeeping, is held back in the same way.
// Only the writer that Response.Unwrap returns leads past the commit.
//
// A change that is made after the headers have left is late:
//
//   - In a session that the client holds, it is committed when the handler ends. If that fails, nobody is left to
//     be shown an error: it is logged, and listeners of the manager are told.
//   - Where it would need a cookie it is refused: opening a new session and rotating one give ErrSent, and so do
//     Set and its like on a session that was opened before but not stored.
//
// Rotations and invalidations happen in the store at once. Their cookies are sent even if the rest of the request is
// rolled back.
//
// Several Sessions may be stacked around a handler, one for each application that serves the request. Their
// sessions end together, with the outermost middleware. They commit one after the other: when the second fails,
// what the first has saved stays saved.
//
// Responses are also different from bare net/http in that headers may be changed until they leave, even after
// WriteHeader. To be sure of when a trailer begins, flush before you set it.
//
// # Several applications
//
// A [URLMap] dispatches to applications by host and path, [NewCascade] asks one after the other until one answers,
// [PerRequest] makes an instance for each request, [Chain] puts [Middleware] around, and [Sessions.Wrap] gives
// an application its own sessions. All of them are applications again.
//
//	what happens                     sessions                 the client gets
//	-------------------------------  -----------------------  ------------------------------------------------
//	an application of a cascade      roll back to what they   nothing of it
//	answers 404, say                 were before it
//	it has committed, rotated or     that stays               the cookie, if there is a new id
//	ended its session by itself
//	it flushes, or outgrows the      the same: nothing is     nothing of it
//	buffer, under the status 404     committed by that
//	the commit fails with a          roll back, and open      the answer of the last try
//	conflict, inside of [Retry]      anew in another try
//	so do all its tries              roll back                an error page: 409, for a [RetryError]
//
// # Cookies
//
// A Set-Cookie is sent when a session is in the store and the client does not know its id: it is new, or it was
// rotated. When the session that the client held has ended, the cookie is removed. Otherwise no cookie is sent.
// Ids from clients are never adopted: one that names no living session is as good as none. If a client sends several
// cookies of the name, the first well-formed one of up to eight counts; browsers send the one with the longest path
// first.
//
// # Other carriers
//
// SessionsConfig.Carriers lets ids travel in other ways than the cookie. Nothing of this happens unless it is asked for.
//
//	carrier     an id in               put there by       never
//	----------  ---------------------  -----------------  ----------------------------------------------------
//	ByCookie    the cookie             this package
//	ByQuery     /page?sid=ID           [Sessions.URL]     a cookie; in links of other sites
//	ByPath      /shop/sid=ID/page      [Sessions.URL]     the same; in SCRIPT_NAME, PATH_INFO or REQUEST_URI
//	ByField     a form's hidden field  [Sessions.Field]   a cookie
//	(argument)  [Sessions.OpenID]      the application    a cookie
//
// Responses to URLs with an id in them, or with ids in their links, get a Referrer-Policy and a Cache-Control that keep the id
// to the site and its user.
//
// # Several hosts
//
// A [Handover] gives the user of one host the same session on another: by a ticket that is signed, good once, for
// seconds, for one host and for one browser, and that holds no id.
//
// # Connections that stay open
//
// WebSockets and streams of events open their session for one message at a time, by [Message]. Nothing is locked between
// two messages, and a logout shows in the next.
//
// # Routes
//
// [Policy], [EchoPolicy] and [PolicyFor] give a route, or a group of them, a locking policy or a save policy of its own, or
// have it read only. What is given to Session itself counts more.
//
// # Echo
//
// Echo (v4) is known to echo.go alone. Echo's Response notes an informational status sent through it as if it were the
// final one. This package corrects that when the handler goes on with headers or a body; before c.NoContent, send
// the 103 through c.Response().Writer instead.
package compat
