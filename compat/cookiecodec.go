package compat

import (
	"errors"
	"net/http"

	"github.com/holdover-web/holdover/core"
)

// CookieCodec says how a session id is written into its cookie, for applications that sign their cookies. It may be
// used from several goroutines, and must be quick: the values come from anyone.
type CookieCodec interface {
	// Encode returns the value of the cookie of that name for an id.
	Encode(name, id string) string

	// Decode returns the id that a value of the cookie of that name carries. ok is false for a value that counts as no
	// cookie at all. With renew the value is read, but was written in a manner that is to be replaced: when the session is
	// used, the client gets the cookie anew.
	Decode(name, value string) (id string, renew, ok bool)
}

// findID looks for the slot's id in the cookies of the request. renew says that the client should get the cookie anew.
func (s *Sessions) findID(h http.Header) (id string, renew bool) {
	codec := s.cookie.codec
	if codec == nil {
		return s.cookie.find(h, s.manager.ValidID), false
	}
	s.cookie.find(h, func(value string) bool {
		candidate, old, ok := codec.Decode(s.cookie.name, value)
		if !ok || !s.manager.ValidID(candidate) {
			return false
		}
		id, renew = candidate, old
		return true
	})
	return id, renew
}

// value returns what the cookie holds for an id.
func (ck *cookie) value(id string) string {
	if ck.codec == nil {
		return id
	}
	return ck.codec.Encode(ck.name, id)
}

// checkCodec tries a codec out with an id of the manager.
func checkCodec(codec CookieCodec, m *core.Manager, name string) error {
	if codec == nil {
		return nil
	}
	id := m.Config().IDs.New()
	value := codec.Encode(name, id)
	if (&http.Cookie{Name: "x", Value: value}).Valid() != nil {
		return errors.New("compat: SessionsConfig.Codec: Encode gives what no cookie can carry")
	}
	if back, renew, ok := codec.Decode(name, value); !ok || renew || back != id {
		return errors.New("compat: SessionsConfig.Codec: Decode does not give back what Encode was given")
	}
	return nil
}
