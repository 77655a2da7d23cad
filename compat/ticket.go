package compat

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ticket is what a browser takes from one site to another. It is signed, and holds no session id: it names a record in
// the store that does. So whoever reads it in a log learns nothing.
type ticket struct {
	ref    string            // which record
	ends   time.Time         // when it is too late; whole seconds
	holder [sha256.Size]byte // the hash of the nonce that the browser must show
	site   string            // the site that it is for
	to     string            // the page there
}

const (
	minTicketKey   = 32   // bytes
	maxTicket      = 6000 // characters; more does not fit into every URL
	maxTicketPage  = 3000 // bytes of ticket.to
	ticketVersion  = 1
	ticketOverhead = 1 + 8 + sha256.Size + 1 + 2 // what a ticket has beside its strings
)

var (
	errTicketForged    = errors.New("its signature is not ours")
	errTicketMalformed = errors.New("it is no ticket")
)

// ticketKeys sign tickets with the first key, and know those that any of them signed.
type ticketKeys [][]byte

// newTicketKeys derives keys for one manager's tickets, so that no ticket is good for another's.
func newTicketKeys(manager string, secrets [][]byte) (keys ticketKeys, err error) {
	for i, secret := range secrets {
		if len(secret) < minTicketKey {
			return nil, fmt.Errorf("compat: HandoverConfig: key %d of %d has %d bytes; take at least %d from a random source, "+
				"for example by: openssl rand -base64 32", i+1, len(secrets), len(secret), minTicketKey)
		}
		key, err := hkdf.Key(sha256.New, secret, nil, "holdover hand-over ticket\x00"+manager, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("compat: HandoverConfig: key %d: %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func mac(key, payload []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(payload)
	return m.Sum(nil)
}

// ticketEncoding refuses other spellings of the same bytes.
var ticketEncoding = base64.RawURLEncoding.Strict()

// sign returns the ticket in a form for URLs.
func (keys ticketKeys) sign(t ticket) string {
	b := make([]byte, 0, ticketOverhead+len(t.ref)+len(t.site)+len(t.to)+sha256.Size)
	b = append(b, ticketVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(t.ends.Unix()))
	b = append(b, t.holder[:]...)
	b = append(append(b, byte(len(t.ref))), t.ref...)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(t.site))), t.site...)
	b = append(b, t.to...)
	return ticketEncoding.EncodeToString(append(b, mac(keys[0], b)...))
}

// read returns a ticket that one of the keys has signed. Whether it is good, here and now, is for the caller to see.
func (keys ticketKeys) read(s string) (t ticket, err error) {
	if len(s) > maxTicket || strings.ContainsAny(s, "\r\n") { // which base64 skips
		return ticket{}, errTicketMalformed
	}
	b, err := ticketEncoding.DecodeString(s)
	if err != nil || len(b) < ticketOverhead+sha256.Size {
		return ticket{}, errTicketMalformed
	}
	payload, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	ours := false
	for _, key := range keys {
		ours = ours || hmac.Equal(sum, mac(key, payload))
	}
	if !ours {
		return ticket{}, errTicketForged
	}
	return parseTicket(payload)
}

// parseTicket reads what sign has written.
func parseTicket(b []byte) (t ticket, err error) {
	cut := func(n int) (part []byte) {
		if n > len(b) {
			err = errTicketMalformed
			return make([]byte, min(n, ticketOverhead))
		}
		part, b = b[:n], b[n:]
		return part
	}
	if cut(1)[0] != ticketVersion {
		return ticket{}, errTicketMalformed
	}
	t.ends = time.Unix(int64(binary.BigEndian.Uint64(cut(8))), 0).UTC()
	copy(t.holder[:], cut(sha256.Size))
	t.ref = string(cut(int(cut(1)[0])))
	t.site = string(cut(int(binary.BigEndian.Uint16(cut(2)))))
	t.to = string(b)
	if err != nil {
		return ticket{}, err
	}
	return t, nil
}
