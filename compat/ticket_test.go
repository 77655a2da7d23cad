package compat

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var sampleTicket = ticket{ref: strings.Repeat("A", 30), ends: time.Unix(1_800_000_000, 0).UTC(), holder: nonceHash("n"), site: "https://a.test", to: "/x?y=1"}

func sampleKeys(t testing.TB, secrets ...string) ticketKeys {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, bytes.Repeat([]byte(s), minTicketKey))
	}
	keys, err := newTicketKeys("m", all)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTicketKeepsWhatItIsGiven(t *testing.T) {
	for _, tt := range []ticket{sampleTicket, {ends: time.Unix(0, 0).UTC()}, {ref: strings.Repeat("r", 255), site: strings.Repeat("s", 1000), ends: time.Unix(1, 0).UTC()}} {
		keys := sampleKeys(t, "k")
		if got, err := keys.read(keys.sign(tt)); got != tt || err != nil {
			t.Errorf("%+v came back as %+v, %v", tt, got, err)
		}
	}
}

// TestTicketKeys signs with the newest, reads with all, and keeps managers apart.
func TestTicketKeys(t *testing.T) {
	signed := sampleKeys(t, "b", "a").sign(sampleTicket)
	other, err := newTicketKeys("other", [][]byte{bytes.Repeat([]byte("b"), minTicketKey)})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		keys ticketKeys
		ok   bool
	}{
		"the same": {sampleKeys(t, "b", "a"), true}, "the newest": {sampleKeys(t, "b"), true}, "it is old now": {sampleKeys(t, "c", "b"), true},
		"only the older one": {sampleKeys(t, "a"), false}, "another manager": {other, false},
	} {
		if _, err := tt.keys.read(signed); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTicketIsRefusedWhenChanged in any bit, or spelled in another way.
func TestTicketIsRefusedWhenChanged(t *testing.T) {
	keys := sampleKeys(t, "k")
	signed := keys.sign(sampleTicket)
	raw, err := ticketEncoding.DecodeString(signed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			if _, err := keys.read(ticketEncoding.EncodeToString(changed)); err == nil {
				t.Errorf("bit %d of byte %d does not count", bit, i)
			}
		}
	}
	for _, s := range []string{signed + "=", signed + "A", signed[1:], signed[:len(signed)-1], " " + signed, signed[:40] + "\n" + signed[40:], ""} {
		if _, err := keys.read(s); err == nil {
			t.Errorf("%q is read", s)
		}
	}
}

func FuzzTicket(f *testing.F) {
	keys := sampleKeys(f, "k", "l")
	f.Add(keys.sign(sampleTicket), []byte{ticketVersion})
	f.Add(keys.sign(ticket{}), []byte(nil))
	f.Add("", bytes.Repeat([]byte{ticketVersion}, ticketOverhead))
	f.Fuzz(func(t *testing.T, s string, payload []byte) {
		if got, err := keys.read(s); err == nil && keys.sign(got) != s && keys[1:].sign(got) != s {
			t.Errorf("%q is read as %+v, which is written otherwise", s, got)
		}
		got, err := parseTicket(payload) // as if it were signed
		if err != nil {
			return
		}
		again, err := keys.read(keys.sign(got))
		if len(keys.sign(got)) <= maxTicket && (again != got || err != nil) {
			t.Errorf("%x is read as %+v, and then as %+v, %v", payload, got, again, err)
		}
	})
}
