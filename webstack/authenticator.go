package webstack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

// LoginAuthenticator remembers users by a signed cookie: WebStack's LoginRedirectAuthenticator and LoginAuthenticator. It
// needs no session, so several applications can share it; but a cookie that was copied stays good until it is too old,
// also after its owner has logged out. SessionAuthenticator has no such weakness. Build it with NewLoginAuthenticator. It
// may be used from several goroutines.
//
// WebStack's cookies were signed by MD5 with the secret at the end, and good for ever; they are not accepted.
type LoginAuthenticator struct {
	cfg LoginAuthenticatorConfig
	now func() time.Time
}

// LoginAuthenticatorConfig is what a LoginAuthenticator is built from.
type LoginAuthenticatorConfig struct {
	// SecretKey signs the cookies: secret_key. At least 32 random bytes, the same for all applications that share the
	// cookie, and for no other purpose. Required.
	SecretKey []byte

	// CookieName is the name of the cookie: cookie_name. Default "LoginAuthenticator".
	CookieName string

	// MaxAge is how long a login is good for. Default 12 hours.
	MaxAge time.Duration

	// Insecure sends the cookie over plain HTTP too. Default: it is secure where the request came over HTTPS.
	Insecure bool
}

// NewLoginAuthenticator returns an authenticator. The error says what is wrong with cfg.
func NewLoginAuthenticator(cfg LoginAuthenticatorConfig) (*LoginAuthenticator, error) {
	if len(cfg.SecretKey) < 32 {
		return nil, fmt.Errorf("webstack: SecretKey has %d bytes; it needs at least 32 random ones, as from openssl rand -base64 48", len(cfg.SecretKey))
	}
	if cfg.CookieName == "" {
		cfg.CookieName = "LoginAuthenticator"
	}
	if _, err := (&Cookie{Name: cfg.CookieName}).header(); err != nil {
		return nil, err
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 12 * time.Hour
	}
	if cfg.MaxAge < 0 {
		return nil, fmt.Errorf("webstack: MaxAge %v is negative", cfg.MaxAge)
	}
	return &LoginAuthenticator{cfg: cfg, now: time.Now}, nil
}

// Authenticate implements Authenticator: authenticate(trans).
func (a *LoginAuthenticator) Authenticate(t *Transaction) (bool, error) {
	c := t.GetCookie(a.cfg.CookieName)
	if c == nil {
		return false, nil
	}
	user, ok := a.check(c.Value)
	if ok {
		t.SetUser(user)
	}
	return ok, nil
}

// SetToken implements TokenAuthenticator: set_token(trans, username).
func (a *LoginAuthenticator) SetToken(t *Transaction, user string) error {
	if user == "" {
		return errors.New("webstack: SetToken: the user has no name")
	}
	ends := a.now().Add(a.cfg.MaxAge)
	err := t.SetCookie(&Cookie{Name: a.cfg.CookieName, Value: a.token(user, ends), Path: "/", Expires: ends,
		HTTPOnly: true, Secure: !a.cfg.Insecure && t.env.Scheme() == "https", SameSite: http.SameSiteLaxMode})
	if err == nil {
		t.SetUser(user)
	}
	return err
}

// UnsetToken implements TokenAuthenticator: unset_token(trans). It removes the cookie from this browser.
func (a *LoginAuthenticator) UnsetToken(t *Transaction) error {
	t.SetUser("")
	return t.DeleteCookie(a.cfg.CookieName)
}

// token returns user, end and signature in the form of a cookie's value.
func (a *LoginAuthenticator) token(user string, ends time.Time) string {
	signed := strconv.FormatInt(ends.Unix(), 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(user))
	return signed + "." + a.sign(signed)
}

func (a *LoginAuthenticator) sign(signed string) string {
	mac := hmac.New(sha256.New, a.cfg.SecretKey)
	mac.Write([]byte("webstack login " + a.cfg.CookieName + " " + signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// check returns the user whom a token names, if it is ours and still good.
func (a *LoginAuthenticator) check(token string) (user string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(token[i+1:]), []byte(a.sign(token[:i]))) {
		return "", false
	}
	end, name, _ := strings.Cut(token[:i], ".")
	seconds, err := strconv.ParseInt(end, 10, 64)
	if err != nil || !a.now().Before(time.Unix(seconds, 0)) {
		return "", false
	}
	data, err := base64.RawURLEncoding.DecodeString(name)
	return string(data), err == nil && len(data) > 0
}

// SessionAuthenticator remembers users in their session, which WebStack had not: a login ends with the session, and
// nothing that a client copied is good after it. Use it where login page and application share their sessions. The zero
// value is ready for use, from several goroutines.
type SessionAuthenticator struct {
	// Key is where the user's name is in the session. Default "user".
	Key string
}

func (a SessionAuthenticator) key() string {
	if a.Key == "" {
		return "user"
	}
	return a.Key
}

// Authenticate implements Authenticator. It opens the session for reading, so that requests which need no more do not wait
// for each other.
func (a SessionAuthenticator) Authenticate(t *Transaction) (bool, error) {
	s, err := t.GetSession(false, core.ReadOnly)
	if s == nil || err != nil {
		return false, err
	}
	v, err := s.GetDefault(a.key(), nil)
	user, ok := v.(string)
	if err != nil || !ok || user == "" {
		return false, err
	}
	t.SetUser(user)
	return true, nil
}

// SetToken implements TokenAuthenticator. The session gets a new id, so that one which somebody knew before is worth nothing,
// and loses what another user has left in it.
func (a SessionAuthenticator) SetToken(t *Transaction, user string) error {
	if user == "" {
		return errors.New("webstack: SetToken: the user has no name")
	}
	s, err := t.GetSession(true)
	if err != nil {
		return err
	}
	before, err := s.GetDefault(a.key(), user)
	if err != nil {
		return err
	}
	if before != any(user) {
		if err := s.Clear(); err != nil {
			return err
		}
	}
	if err := s.Rotate(0); err != nil {
		return err
	}
	t.SetUser(user)
	return s.Set(a.key(), user)
}

// UnsetToken implements TokenAuthenticator: it ends the session.
func (a SessionAuthenticator) UnsetToken(t *Transaction) error {
	t.SetUser("")
	return t.ExpireSession()
}
