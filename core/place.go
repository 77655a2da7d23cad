package core

import "fmt"

// placeTries bounds how many ids are drawn for a place. With 65,536 places one search in 10^13 fails; with so
// many that this bound matters, drawing is the wrong way.
const placeTries = 1 << 21

// beside returns the fresh id, or another in its stead, so that the store can give it to the session that
// has the id old. Only a Placer is particular.
func (m *Manager) beside(old, fresh string) (string, error) {
	placer, ok := m.store.(Placer)
	if !ok {
		return fresh, nil
	}
	for range placeTries {
		if placer.SamePlace(m.id, old, fresh) {
			return fresh, nil
		}
		fresh = m.cfg.IDs.New()
	}
	return "", fmt.Errorf("%w: rotate session %s: of %d new ids none has its place", ErrUnsupported, m.key(old).Hash(), placeTries)
}
