package core

import "context"

// Raw is a value in its encoded form, as Values hold it. Session.Set stores it as it is: it is for code that moves
// values from one session to another of the same codec without looking into them. Nothing checks that the codec can
// read it.
type Raw string

// Draft returns a session that begins with values and that no store knows: a place to work on values which are kept
// elsewhere, or nowhere, with everything that a session does for its values. Values, or Changes, tells what has
// become of them. It is in no Scope and has no id; Commit and End store nothing, and Commit returns ErrUnsupported.
func (m *Manager) Draft(ctx context.Context, values Values) *Session {
	s := &Session{m: m, ctx: ctx, created: true, draft: true}
	s.cfg = openConfig{mode: ReadWrite, locking: m.cfg.Locking, save: SaveExplicit}
	s.rec.Values = values
	s.rec.Created = m.now()
	s.rec.Accessed, s.before = s.rec.Created, s.rec.Created
	return s
}

// Values returns all values in their encoded form, uncommitted changes included. Errors: ErrGone, ErrTooLarge, and a
// *ValueError for a value that was changed in place to something that can not be stored.
func (s *Session) Values() (Values, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, ErrGone
	}
	if len(s.entries) == 0 {
		return s.rec.Values, nil
	}
	var c Change
	if err := s.collect(&c); err != nil {
		return nil, err
	}
	return c.Apply(s.rec.Values)
}

// Changes returns what a commit would write and remove, both sorted by name. A value that was set to what it was before
// counts as changed. Errors: ErrGone, and a *ValueError for a value that was changed in place to something that can
// not be stored.
func (s *Session) Changes() (set Values, deleted []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, nil, ErrGone
	}
	var c Change
	if err := s.collect(&c); err != nil {
		return nil, nil, err
	}
	return c.Set, c.Delete, nil
}
