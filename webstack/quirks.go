package webstack

// Quirks are behaviours of WebStack, or of one of its backends, that an application may depend on. Each is off by
// default; the porting guide tells what each one costs.
type Quirks struct {
	// AfterExpire says what GetSession answers in a transaction that has called ExpireSession. WebStack's backends
	// differ in that. Default: ExpiredIsGone.
	AfterExpire AfterExpire

	// SaveOnError saves the session although the resource failed, with changes that were half done: WebStack's own
	// store wrote each change at once. What the error itself makes impossible, such as saving a session that has
	// ended, is not saved.
	SaveOnError bool

	// AlwaysCreate makes GetSession(false) answer a session also if there is none, as under mod_python, Webware, Zope
	// and Django. It is empty, and not stored before something is put into it.
	AlwaysCreate bool

	// MissingIsNil makes Session.Get answer nil, and no error, for a key that is not there, as under Java servlets.
	MissingIsNil bool
}

// AfterExpire says what GetSession answers after ExpireSession, in the same transaction. In every case the data is
// gone from the store, for other requests too, when ExpireSession returns.
type AfterExpire uint8

const (
	// ExpiredIsGone is the way of mod_python and Java servlets: there is no session any more. GetSession(false)
	// answers none, GetSession(true) a new one under an id of its own. A Session that was obtained before is empty,
	// and can not be changed: core.ErrGone.
	ExpiredIsGone AfterExpire = iota

	// ExpiredStays is the way of WebStack's own store (CGI, BaseHTTPRequestHandler, Twisted, WSGI): GetSession
	// goes on answering the old session, with what it held. It can be changed until the transaction ends, and
	// then all of it is forgotten.
	ExpiredStays

	// ExpiredGoesOn is the way of Webware and Django, where the application does not notice that it expired
	// the session: GetSession goes on answering the old session, with what it held, and what is put into it
	// afterwards is kept, in a new session under an id of its own. Other than there, what was in it before is gone
	// in the next request.
	ExpiredGoesOn
)
