package albatross

import (
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// sesidField is the hidden field that carries the id of a branch.
const sesidField = "__albsessid__"

// BranchingSessionMixin keeps a session for each interaction with the browser, a branch: what a page was made from is
// found again when the page is submitted, however often, and whatever the user has done in other tabs since. It takes the
// place of SessionServerContextMixin.
//
// All branches of a client are one record in the store. A branch costs the values that its interaction has changed; one
// that changed nothing is no new branch, and writes nothing. A request costs one store call to load and one to save.
//
// The id of a branch is worth nothing without the client's cookie, which is named by the application's id: who reads it in
// a page, a log or a Referer can do nothing with it, and who has only the cookie, as a page of another site that
// sends a form with it, reaches no branch. With Unbound there is no cookie, and the id in the page is all that it takes.
type BranchingSessionMixin struct {
	// History bounds what is kept of one client.
	History History

	// Unbound does without the cookie, as Albatross did: for clients that take none, and to have several visitors in
	// one browser. Then whoever sees the source of a page can be its user. Ids are taken from the bodies of forms
	// only.
	Unbound bool

	app *Application
}

// branchState is what a request knows of its branch.
type branchState struct {
	tree   *core.Session // the client's record, once it is open
	list   *tree
	record core.Values
	node   *node       // that the request came from, or nil
	values core.Values // of the node
	fork   bool        // see Context.NewBranch
}

func (m BranchingSessionMixin) bind(a *Application) (SessionMixin, error) {
	h := m.History.withDefaults()
	switch limit := a.manager.Config().MaxSize; {
	case h.Branches < 1 || h.Bytes < 1:
		return nil, fmt.Errorf("albatross: History: %d branches and %d bytes; give at least 1 of each", h.Branches, h.Bytes)
	case h.Bytes > limit:
		return nil, fmt.Errorf("albatross: History.Bytes is %d, but the manager's MaxSize is %d: raise that, or keep less", h.Bytes, limit)
	case a.cfg.RandomPages:
		return nil, errors.New("albatross: RandomPages do not go with a BranchingSessionMixin: a link leads to no branch")
	}
	m.History, m.app = h, a
	return &m, nil
}

// options: whoever saves the record works on what is stored then, and nobody else saves it.
var treeOptions = []core.OpenOption{core.Merge, core.SaveExplicit}

// SesID returns what a page of this request has in __albsessid__, once that is settled, and before it what the request
// came with: sesid().
func (m BranchingSessionMixin) SesID(c *Context) string {
	if c.out.settled {
		return c.out.final
	}
	return m.ref(c, c.branch.node)
}

// ref is how a page refers to a branch.
func (m BranchingSessionMixin) ref(c *Context, n *node) string {
	switch {
	case n == nil:
		return ""
	case m.Unbound:
		return c.branch.tree.ID() + "." + n.id
	}
	return n.id
}

// branchLength is that of rand.Text: 26 characters of A-Z and 2-7, 130 bits.
const branchLength = 26

// validBranch reports whether an id could be ours.
func validBranch(id string) bool {
	return len(id) == branchLength && strings.IndexFunc(id, func(c rune) bool { return (c < 'A' || c > 'Z') && (c < '2' || c > '7') }) < 0
}

// splitRef takes the reference of an unbound branch apart.
func splitRef(ref string) (session, branch string, ok bool) {
	at := len(ref) - branchLength - 1
	if at <= 0 || ref[at] != '.' || !validBranch(ref[at+1:]) {
		return "", "", false
	}
	return ref[:at], ref[at+1:], true
}

// LoadSession fetches the branch that the form came from, or begins a new session: load_session(). Without a form there
// is nothing to fetch, and no store call.
func (m BranchingSessionMixin) LoadSession(c *Context) error {
	if c.discarded {
		return nil
	}
	c.branch = branchState{}
	ref := c.request.BodyValue(sesidField)
	if ref == "" && !m.Unbound {
		ref = c.request.FieldValue(sesidField)
	}
	if ref == "" {
		return nil
	}
	c.lost = true
	session, id := "", ref
	if m.Unbound {
		var ok bool
		if session, id, ok = splitRef(ref); !ok {
			return nil
		}
	}
	if !validBranch(id) {
		return nil
	}
	s, err := m.open(c, session)
	if err != nil {
		if errors.Is(err, core.ErrNotFound) {
			return nil
		}
		return err
	}
	return m.take(c, s, id)
}

// open opens the client's record. The error matches core.ErrNotFound if there is none.
func (m BranchingSessionMixin) open(c *Context, id string) (*core.Session, error) {
	if !m.Unbound {
		return m.app.http.Existing(c.Context(), treeOptions...)
	}
	s, err := m.app.manager.Open(c.Context(), id, treeOptions...)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		err = &compat.SessionError{Op: "open", Err: err}
	}
	return s, err
}

// take finds the branch in the client's record.
func (m BranchingSessionMixin) take(c *Context, s *core.Session, id string) error {
	b := &c.branch
	b.tree = s
	if readable, err := m.readable(c, s); err != nil || !readable {
		return err
	}
	n := b.list.branch(id)
	if n == nil || b.list.old(n, m.now(), m.History.Age) {
		return nil
	}
	c.lost = false
	b.node, b.values = n, b.list.values(b.record, n)
	c.session = m.app.manager.Draft(c.Context(), b.values)
	return nil
}

// readable reads the client's record, or deletes it if that can not be done.
func (m BranchingSessionMixin) readable(c *Context, s *core.Session) (bool, error) {
	err := c.branch.read(s)
	if !errors.Is(err, errTree) && !errors.As(err, new(*core.ValueError)) {
		return err == nil, err
	}
	m.app.log.WarnContext(c.Context(), "the branches of a client could not be read and were deleted", "session", s.Hash(), "error", err)
	c.branch = branchState{}
	return false, invalidate(c, s)
}

func (m BranchingSessionMixin) now() time.Time { return m.app.manager.Config().Now() }

// read fills list and record from the session as it is now.
func (b *branchState) read(s *core.Session) (err error) {
	if b.record, err = s.Values(); err != nil {
		return err
	}
	text, err := core.Get[string](s, treeName)
	if err != nil {
		return err
	}
	b.list, err = readTree(text)
	return err
}

// SaveSession stores a new branch, if the request has changed a session variable: save_session(). Otherwise the page
// keeps the id of the branch that it came from. One store call.
func (m BranchingSessionMixin) SaveSession(c *Context) error {
	b := &c.branch
	c.out.final = m.ref(c, b.node)
	set, gone, err := b.changes(c.session)
	if err != nil || len(set) == 0 && len(gone) == 0 && !(b.fork && b.node != nil) {
		return err
	}
	if err := m.openToSave(c); err != nil {
		return err
	}
	id := rand.Text()
	err = b.update(c, "commit", func(s *core.Session) error {
		if err := b.read(s); err != nil {
			return err
		}
		var parent *node
		if b.node != nil {
			parent = b.list.branch(b.node.id)
		}
		set, gone := set, gone
		if parent == nil { // it has none, or others have pruned it meanwhile
			var err error
			if set, err = c.session.Values(); err != nil {
				return err
			}
			gone = nil
		}
		b.list.gather(b.record)
		made := b.list.add(parent, id, m.now(), set, gone)
		b.list.prune(m.History, m.now(), made)
		return b.list.write(s, b.record)
	})
	if err == nil {
		c.out.final = m.ref(c, &node{id: id})
	}
	return err
}

// update changes the client's record: see core.Session.Update.
func (b *branchState) update(c *Context, op string, change func(*core.Session) error) error {
	err := error(nil)
	if b.tree.Dirty() { // a handler that is no page has put something there
		err = b.tree.Commit(c.Context())
	}
	if err == nil {
		err = b.tree.Update(c.Context(), change)
	}
	if err == nil || errors.Is(err, ErrBranchUsed) || errors.Is(err, ErrNoBranch) {
		return err
	}
	return &compat.SessionError{Op: op, Err: err}
}

// openToSave opens or makes the client's record for a request that has come without a branch.
func (m BranchingSessionMixin) openToSave(c *Context) (err error) {
	if c.branch.tree != nil {
		return nil
	}
	if m.Unbound {
		c.branch.tree, err = m.app.manager.Create(c.Context(), treeOptions...)
		return err
	}
	for range 2 {
		c.branch.tree, err = m.app.http.Session(c.Context(), treeOptions...)
		if err != nil {
			return err
		}
		if readable, err := m.readable(c, c.branch.tree); err != nil || readable {
			return err
		}
	}
	return errTree // of a new record: it can not be
}

// changes returns what the request has changed of the branch that it came from. What was set to what it was before is
// no change.
func (b *branchState) changes(draft *core.Session) (set core.Values, gone []string, err error) {
	set, gone, err = draft.Changes()
	set = slices.DeleteFunc(slices.Clone(set), func(it core.Item) bool {
		was, ok := b.values.Get(it.Name)
		return ok && was == it.Data
	})
	return set, gone, err
}

// RemoveSession ends the session of this client, with all its branches: remove_session(). With
// Quirks.RemoveOneBranch it is only the branch that the request came from.
func (m BranchingSessionMixin) RemoveSession(c *Context) error {
	if _, err := c.vars(); err != nil {
		return err
	}
	if m.app.cfg.Quirks.RemoveOneBranch {
		return m.discard(c)
	}
	s := c.branch.tree
	if s == nil && !m.Unbound {
		var err error
		if s, err = m.app.http.Existing(c.Context(), treeOptions...); err != nil && !errors.Is(err, core.ErrNotFound) {
			return err
		}
	}
	c.branch, c.discarded = branchState{}, true
	if s == nil {
		return nil
	}
	return invalidate(c, s)
}

// discard deletes the branch that the request came from.
func (m BranchingSessionMixin) discard(c *Context) error {
	b := &c.branch
	c.discarded = true
	if b.node == nil {
		return nil
	}
	err := b.update(c, "invalidate", func(s *core.Session) error {
		if err := b.read(s); err != nil {
			return err
		}
		n := b.list.branch(b.node.id)
		if n == nil {
			return nil
		}
		b.list.gather(b.record)
		b.list.drop(n)
		return b.list.write(s, b.record)
	})
	b.node, b.values = nil, nil
	return err
}

// FormClose returns the hidden field __albsessid__: form_close(). The field gets its value when the session was
// saved; if it is not to be saved, that is the branch that the request came from.
func (m BranchingSessionMixin) FormClose(c *Context) (template.HTML, error) {
	return hidden(sesidField, c.out.ref()), nil
}

func (m BranchingSessionMixin) bodyOnly() bool { return m.Unbound }

// keep is what SaveSession does for a session that is not to be saved.
func (m BranchingSessionMixin) keep(c *Context) { c.out.final = m.ref(c, c.branch.node) }

func (m BranchingSessionMixin) rotate(c *Context) error {
	if err := m.openToSave(c); err != nil {
		return err
	}
	return rotate(c, c.branch.tree)
}
