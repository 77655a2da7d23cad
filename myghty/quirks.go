package myghty

// Quirks are behaviours of Myghty and Beaker that an application may depend on. Each is off by default, because it loses
// data or is a surprise; the porting guide tells what each one costs.
type Quirks struct {
	// WholeSaves makes Session.Save write all values in place of the changed ones, as Myghty and Beaker do: what
	// another request has saved since this one asked for the session is overwritten. Between Session.Lock and
	// Session.Unlock only changed values are written even so.
	WholeSaves bool

	// DeferredSave makes Session.Save a mark, as Beaker's middleware does: the session is saved when the response
	// begins, with what was changed after Save too, and not at all if the request fails. Between Session.Lock and
	// Session.Unlock Save saves at once even so.
	DeferredSave bool

	// DeleteKeepsValues leaves the values in memory after Session.Delete, as Myghty does: a later Save stores them
	// again, under a new id. It has no effect with the option auto.
	DeleteKeepsValues bool
}
