package compat

import (
	"net/http"
	"slices"
)

// Cookie returns the cookie in which session ids travel, without a value, and when it is Secure: the
// Secure field is set for SecureOn alone.
func (s *Sessions) Cookie() (http.Cookie, SecureMode) {
	ck, err := http.ParseSetCookie(s.cookie.name + "=" + s.cookie.set[0])
	if err != nil {
		return http.Cookie{Name: s.cookie.name}, s.cookie.secure // NewSessions has checked it
	}
	ck.Raw, ck.RawExpires = "", ""
	return *ck, s.cookie.secure
}

// Carriers returns the ways in which session ids travel, in order of precedence, and the name under which they do so if it is
// not by the cookie.
func (s *Sessions) Carriers() (order []Carrier, name string) {
	if s.carriers == nil {
		return []Carrier{ByCookie}, s.cookie.name
	}
	return slices.Clone(s.carriers.order), s.carriers.name
}
