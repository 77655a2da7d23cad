// Package core keeps sessions: what a server remembers of a client between requests.
//
// A [Manager] holds the sessions of one application. It opens them for requests, decides what happens
// when two requests hold one session (the [LockingPolicy]) and when changes are written (the
// [SavePolicy]), and keeps them in a [Store]. A [Session] is one request's view of one session:
//
//	s, err := manager.Open(ctx, id)      // errors.Is(err, core.ErrNotFound): manager.Create(ctx)
//	n, err := core.Get[int](s, "visits")
//	err = s.Set("visits", n+1)
//	err = s.End(ctx)                     // commits, if something changed
//
// How ids travel is not this package's matter: compat carries them in cookies, the adapters in what
// their applications are used to.
//
// # What holds
//
// Whatever the store, and however many goroutines, processes and hosts use it:
//
//   - Sessions of one manager id are invisible under another.
//   - Reading writes nothing but the time of the last access, and that at most once an interval.
//   - A session that was deleted, invalidated, rotated away or has expired never comes back: requests
//     in flight get [ErrGone].
//   - A commit that did not happen is an error. A load that failed is an error too, not an empty session.
//   - A holder whose lock lapsed and was taken over can not write: [ErrLockLost].
//   - Ids that strangers send are never adopted, and what can not be an id never reaches a store.
//   - An expired session is not served once, whenever it is swept.
//   - A request that stores nothing leaves nothing behind.
//   - Nobody waits for another session's request, and every wait has a bound.
//   - A client that hangs up does not undo work that was done.
//   - Stored bytes that make no sense cost one session, which is set aside and reported.
//   - Ids are in no log, event or error text; a short hash names the session there.
//
// # Choosing a locking policy
//
// [Merge], the default, keeps apart what different requests write under different names, and costs no
// waiting. [Manager.Update] makes a read-modify-write safe under every policy. [Serialized] is for
// applications that were written as if they were alone with their session. [Optimistic] tells the
// second writer. [Lossy] is what many old frameworks did, and is here for comparison.
//
// # Values
//
// A session maps names to values. Each value is encoded by itself, when it is set, and decoded when
// it is fetched, so a request pays for what it uses. Values come back with the type that went in, see
// [CBOR]. A list or map that was fetched may be changed in place; the session notices at its commit.
package core
