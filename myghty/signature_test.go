package myghty

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

// legacyValue is what Myghty and Beaker put into a cookie.
func legacyValue(algorithm func() hash.Hash, secret, id string) string {
	mac := hmac.New(algorithm, []byte(secret))
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)) + id
}

func newSignature(t testing.TB, secrets []string, legacy ...LegacySignature) *Signature {
	t.Helper()
	s, err := NewSignature(secrets, legacy...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Known answers: what Python's hmac gives for the same input.
func TestLegacyForms(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	s := newSignature(t, []string{"new", "hush"}, MyghtySignature, BeakerSignature)
	for _, value := range []string{
		"9b0ae258ec09ee329c23b7e2e28d955d" + id,
		"38dde238367dfe55596d2020d2772d75967ca74a" + id,
	} {
		if got, renew, ok := s.Decode("any", value); got != id || !renew || !ok {
			t.Errorf("%s: %q %v %v", value, got, renew, ok)
		}
		if _, _, ok := newSignature(t, []string{"new", "hush"}).Decode("any", value); ok {
			t.Errorf("%s is read without being asked for", value)
		}
		if _, _, ok := newSignature(t, []string{"new"}, MyghtySignature, BeakerSignature).Decode("any", value); ok {
			t.Errorf("%s is read without its secret", value)
		}
	}
}

func TestSignature(t *testing.T) {
	id := core.RandomIDs().New()
	s := newSignature(t, []string{"new", "old"}, MyghtySignature, BeakerSignature)
	byOld, byStranger := newSignature(t, []string{"old"}), newSignature(t, []string{"stranger"})
	good := s.Encode("sid", id)
	for _, tt := range []struct {
		name, value string
		renew, ok   bool
	}{
		{"its own", good, false, true},
		{"of the old secret", byOld.Encode("sid", id), true, true},
		{"of Myghty", legacyValue(md5.New, "old", id), true, true},
		{"of Beaker", legacyValue(sha1.New, "new", id), true, true},
		{"of Beaker in capitals", strings.ToUpper(legacyValue(sha1.New, "new", "")) + id, false, false},
		{"of another secret", byStranger.Encode("sid", id), false, false},
		{"of another secret, Beaker's", legacyValue(sha1.New, "stranger", id), false, false},
		{"of another cookie", s.Encode("other", id), false, false},
		{"of a name that continues in the id", s.Encode("si", "d"+id), false, false},
		{"bare", id, false, false},
		{"nothing", "", false, false},
		{"only a signature", good[len(id):], false, false},
		{"cut at the end", good[:len(good)-1], false, false},
		{"cut at the front", good[1:], false, false},
		{"of another id", core.RandomIDs().New() + good[len(id):], false, false},
		{"too long", strings.Repeat("A", 1<<16) + good, false, false},
		{"longer", good + "A", false, false},
		{"with loose bits", good[:len(good)-1] + looser(good[len(good)-1]), false, false},
		{"Myghty's of nothing", legacyValue(md5.New, "old", ""), false, false},
		{"Myghty's form of Beaker's", legacyValue(md5.New, "old", id)[:32] + legacyValue(sha1.New, "stranger", id), false, false},
	} {
		got, renew, ok := s.Decode("sid", tt.value)
		if renew != tt.renew || ok != tt.ok || ok && got != id {
			t.Errorf("%s: %v %v, want %v %v", tt.name, renew, ok, tt.renew, tt.ok)
		}
	}
	for name, secrets := range map[string][]string{"none": nil, "empty": {"a", ""}, "many": strings.Split(strings.Repeat("a,", 17)+"a", ",")} {
		if _, err := NewSignature(secrets); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewSignature([]string{"a"}, "md4"); err == nil {
		t.Error("a legacy form that there is not was accepted")
	}
}

// looser returns another character for the last one of a signature that means the same bits to a lenient reader.
func looser(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}

func FuzzSignature(f *testing.F) {
	s := newSignature(f, []string{"a", "b"}, MyghtySignature, BeakerSignature)
	id := core.RandomIDs().New()
	for _, value := range []string{s.Encode("sid", id), id, "", ".", strings.Repeat(".", 44), legacyValue(md5.New, "a", id), legacyValue(sha1.New, "b", id)} {
		f.Add("sid", value)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		got, _, ok := s.Decode(name, value)
		if !ok {
			return
		}
		for _, form := range []string{
			s.Encode(name, got), newSignature(t, []string{"b"}).Encode(name, got),
			legacyValue(md5.New, "a", got), legacyValue(md5.New, "b", got), legacyValue(sha1.New, "a", got), legacyValue(sha1.New, "b", got),
		} {
			if value == form {
				return
			}
		}
		t.Errorf("%q was accepted for %q and is none of ours", value, name)
	})
}

// A move: users hold Beaker's cookies for sessions that were brought over under their old ids. They get their cookie anew
// when the session is used, once.
func TestSignedCookiesOnTheMove(t *testing.T) {
	const secret = "hush"
	var legacyID = strings.Repeat("5", 32)
	options := Options{"secret": "new", "old_secrets": []string{secret}, "legacy_signatures": []string{"myghty", "beaker"}}
	for name, algorithm := range map[string]func() hash.Hash{"Myghty's": md5.New, "Beaker's": sha1.New} {
		t.Run(name, func(t *testing.T) {
			a := newTestApp(t, Config{Options: options}, core.Config{}, pages{"/show": show, "/set": set, "/idle": func(m *Request) error { return nil }})
			bringOver(t, a, legacyID)
			b := a.browser()
			old := legacyValue(algorithm, secret, legacyID)
			b.plant(old)
			if r := b.get("/idle"); r.Header.Get("Set-Cookie") != "" {
				t.Error("a request that leaves its session alone sent a cookie")
			}
			b.want("/show", http.StatusOK, "user=ada;")
			if got := b.cookie(); got == old || !strings.HasPrefix(got, legacyID+".") {
				t.Error("the cookie was not sent anew")
			}
			if r := b.want("/show", http.StatusOK, "user=ada;"); r.Header.Get("Set-Cookie") != "" {
				t.Error("the cookie was sent again")
			}
			// Forged, as nobody with that secret wrote it.
			b.plant(legacyValue(algorithm, "guess", legacyID))
			if r := b.get("/show"); r.body != "" {
				t.Errorf("a forged cookie shows %q", r.body)
			}
			b.plant(legacyID)
			if r := b.get("/show"); r.body != "" {
				t.Errorf("an id without a signature shows %q", r.body)
			}
		})
	}
}

// bringOver stores a session under an id of the old application, as a conversion does.
func bringOver(t *testing.T, a *testApp, id string) {
	t.Helper()
	data, err := a.Manager().Config().Codec.Encode("ada")
	if err != nil {
		t.Fatal(err)
	}
	now := a.clock.now().UTC()
	err = a.store.Create(t.Context(), core.Key{Manager: "app", ID: id},
		core.Record{Values: core.Values{{Name: "user", Data: data}}, Created: now, Accessed: now})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHostileCookies(t *testing.T) {
	a := newTestApp(t, Config{Options: Options{"secret": "hush"}}, core.Config{}, pages{"/show": show, "/set": set})
	b := a.browser()
	b.get("/set?user=ada")
	good := b.cookie()
	id, _, _ := strings.Cut(good, ".")
	other := newTestApp(t, Config{Options: Options{"secret": "hush", "key": "other"}}, core.Config{}, pages{"/set": set})
	theirs := other.browser()
	theirs.get("/set?user=eve")
	for name, value := range map[string]string{
		"bare id": id, "cut": good[:len(good)-2], "forged": id + "." + strings.Repeat("A", 43), "of another cookie's name": theirs.cookie(),
		"long": good + strings.Repeat("A", 5000), "a path": "../../etc/passwd", "two dots": strings.Replace(good, ".", "..", 1),
	} {
		calls := a.store.calls.Load()
		b.plant(value)
		if r := b.get("/show"); r.StatusCode != http.StatusOK || r.body != "" {
			t.Errorf("%s: %d %q", name, r.StatusCode, r.body)
		}
		if n := a.store.calls.Load() - calls; n != 0 {
			t.Errorf("%s: the store was asked", name)
		}
	}
	// Fixation: a well-formed id of nobody, rightly signed even, is not adopted.
	unknown := newSignature(t, []string{"hush"}).Encode("myghty_session_id", a.Manager().Config().IDs.New())
	b.plant(unknown)
	b.want("/set?user=victim", http.StatusOK, "saved")
	if b.cookie() == unknown {
		t.Error("an id that the client brought was adopted")
	}
	b.plant(good)
	b.want("/show", http.StatusOK, "user=ada;")
	if log := a.log.String(); strings.Contains(log, id) {
		t.Error("the log has a session id")
	}
	if n := a.sessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// Without a secret, ids are as safe: unknown ones are not adopted.
func TestSessionFixation(t *testing.T) {
	a := newTestApp(t, Config{}, core.Config{}, pages{"/show": show, "/set": set})
	for name, value := range map[string]string{
		"well-formed": a.Manager().Config().IDs.New(), "Myghty's": strings.Repeat("a", 32), "empty": "", "a path": "../x",
	} {
		b := a.browser()
		b.plant(value)
		b.want("/set?user="+fmt.Sprint(len(value)), http.StatusOK, "saved")
		if b.cookie() == value {
			t.Errorf("%s: the id was adopted", name)
		}
	}
}
