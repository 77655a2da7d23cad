package albatross

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// branching returns the application's mixin.
func (c *Context) branching() (*BranchingSessionMixin, error) {
	if m, ok := c.app.session.(*BranchingSessionMixin); ok {
		_, err := c.vars()
		return m, err
	}
	return nil, ErrNotBranching
}

// BranchUsed reports whether the page that was submitted had been submitted before, as far as that is known when the
// request begins: a session was saved that went on from the same branch. Two requests that run at the same time may
// both be the first: to do a thing once, use ClaimBranch.
func (c *Context) BranchUsed() bool {
	_, err := c.branching()
	return err == nil && c.branch.node != nil && c.branch.node.used
}

// ClaimBranch marks the page that was submitted as used, at once, and fails if it was before: of any number of requests
// from one page, on any number of hosts, it returns nil to one. Call it before you do what must not be done twice. The
// claim stays if the request fails afterwards: then it is not known how much was done. It costs one store call.
//
// Errors: ErrBranchUsed, ErrNoBranch, ErrNotBranching, and a *compat.SessionError; after the store's own error it is not
// known whether the branch was claimed.
func (c *Context) ClaimBranch() error {
	if _, err := c.branching(); err != nil {
		return err
	}
	b := &c.branch
	if b.node == nil {
		return ErrNoBranch
	}
	return b.update(c, "commit", func(s *core.Session) error {
		if err := b.read(s); err != nil {
			return err
		}
		n := b.list.branch(b.node.id)
		switch {
		case n == nil:
			return ErrNoBranch
		case n.used:
			return ErrBranchUsed
		}
		n.used = true
		return s.Set(treeName, b.list.String())
	})
}

// NewBranch makes the page of this request a branch of its own, also if nothing else has changed. So a page whose claim came to
// nothing, because the bank did not answer, say, can be submitted once more: its new branch was not claimed. The error is
// ErrNotBranching, or that of loading the session.
func (c *Context) NewBranch() error {
	_, err := c.branching()
	c.branch.fork = err == nil
	return err
}

// Branch is one of the states that a client can go on from.
type Branch struct {
	Number  uint64    // 1 for the client's first, then in the order in which they were made
	Parent  uint64    // the number of the branch that it went on from, or of the nearest one that is still there; 0 for none
	Page    string    // the page that was shown
	Made    time.Time // in UTC
	Used    bool      // it was gone on from, or claimed
	Current bool      // the request came from it

	// Vars are its session variables, for reading with core.Get and core.Lookup.
	Vars core.Source
}

// Branches returns the branches of the client, by number. Errors: ErrNotBranching, and those of loading the session.
// A request that came without a branch finds those of its cookie, and with an Unbound mixin none.
func (c *Context) Branches() ([]Branch, error) {
	m, err := c.branching()
	if err != nil {
		return nil, err
	}
	b := c.branch
	if b.list == nil {
		if m.Unbound {
			return nil, nil
		}
		s, err := m.app.http.Existing(c.Context(), treeOptions...)
		if err != nil {
			if errors.Is(err, core.ErrNotFound) {
				err = nil
			}
			return nil, err
		}
		if readable, err := m.readable(c, s); err != nil || !readable {
			return nil, err
		}
		b = c.branch
	}
	return b.list.branches(c, b.record, b.node, func(n *node) bool { return b.list.old(n, m.now(), m.History.Age) })
}

func (t *tree) branches(c *Context, record core.Values, current *node, old func(*node) bool) ([]Branch, error) {
	var list []Branch
	for _, n := range t.nodes {
		if n.id == "" || old(n) {
			continue
		}
		vars := c.app.manager.Draft(c.Context(), t.values(record, n))
		page, err := core.Get[string](vars, pageName)
		if err != nil {
			return nil, err
		}
		parent := t.at(n.parent)
		for parent != nil && (parent.id == "" || old(parent)) {
			parent = t.at(parent.parent)
		}
		br := Branch{Number: n.seq, Page: cmp.Or(page, c.app.cfg.StartPage), Made: time.UnixMilli(n.made).UTC(), Used: n.used,
			Current: current != nil && current.id == n.id, Vars: vars}
		if parent != nil {
			br.Parent = parent.seq
		}
		list = append(list, br)
	}
	slices.SortFunc(list, func(a, b Branch) int { return cmp.Compare(a.Number, b.Number) })
	return list, nil
}

// BranchURL returns a URL with the branch of the page that this request makes in its query, so that a link or a redirect
// leads on from there: links carry no form. With an Unbound mixin, and in an application without branches, it returns
// the URL as it is, because whoever has the URL would have the session.
func (c *Context) BranchURL(url string) string {
	m, err := c.branching()
	if err != nil || m.Unbound {
		return url
	}
	url, fragment, cut := strings.Cut(url, "#")
	sep := "?"
	if strings.Contains(url, "?") {
		sep = "&"
	}
	url += sep + sesidField + "=" + c.out.ref()
	if cut {
		url += "#" + fragment
	}
	return url
}
