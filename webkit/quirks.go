package webkit

// Quirks are Webware behaviours that an application may depend on. Each is off by default, because it
// loses data or invites an attack; the porting guide tells what each one costs.
type Quirks struct {
	// SaveOnException saves the session although the servlet failed, with changes that were half done.
	SaveOnException bool

	// FieldSessionID takes the session id from a form or query field with the name of the session
	// cookie, before the cookie, and makes Session.SessionEncode put it there. Ids in URLs get into
	// bookmarks, logs and other sites' statistics, and whoever plants one shares the session of whoever
	// follows the link. Unlike in Webware, the id is not made a cookie, so that pages keep it only by such links.
	FieldSessionID bool

	// CountTransactions makes Session.NumTransactions count every request. Each request that asks for the
	// session then changes it, so that reading writes, and two requests at a time can conflict.
	CountTransactions bool

	// IndexTakesExtraPath sends requests for what is not there to the index servlet of the folder above,
	// with the rest as its extra path. Mistyped URLs then show that page, and no 404.
	IndexTakesExtraPath bool
}
