package core

// DecodeAs lets tests compare the short way of decoding with the long one.
func DecodeAs[T any](c Codec, data string) (T, error) { return decodeAs[T](c, data) }

// Lines returns how many sessions have a turn that is taken, by a request or by an Update.
func Lines(m *Manager) int {
	n := 0
	for _, q := range []*queue{m.turns, m.updates} {
		q.mu.Lock()
		n += len(q.lines)
		q.mu.Unlock()
	}
	return n
}

// Leases returns how many locks are being renewed.
func Leases(m *Manager) int {
	m.leases.mu.Lock()
	defer m.leases.mu.Unlock()
	return len(m.leases.held)
}
