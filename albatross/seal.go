package albatross

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Secrets are what keys are made from. To change the secret, move Current to Old, and drop it there when nothing
// that was made with it can come back any more.
type Secrets struct {
	// Current is for all that is made: at least 32 random bytes, the same in all processes of the application. Keep it
	// out of the source.
	Current []byte

	// Old are for what comes back only.
	Old [][]byte
}

const minSecret = 32

// derive makes a key of each secret, the current one first.
func (s Secrets) derive(purpose string) ([][]byte, error) {
	var keys [][]byte
	for i, secret := range append([][]byte{s.Current}, s.Old...) {
		if len(secret) < minSecret {
			name := "Current"
			if i > 0 {
				name = fmt.Sprintf("Old[%d]", i-1)
			}
			return nil, fmt.Errorf("albatross: Config.Secrets.%s has %d bytes, at least %d are needed; make them with crypto/rand",
				name, len(secret), minSecret)
		}
		key, err := hkdf.Key(sha256.New, secret, nil, purpose, 32)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// sealer encrypts and authenticates: AES-256-GCM with random nonces.
type sealer struct{ keys []cipher.AEAD }

func newSealer(s Secrets, purpose string) (*sealer, error) {
	keys, err := s.derive(purpose)
	if err != nil {
		return nil, err
	}
	var sl sealer
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sl.keys = append(sl.keys, aead)
	}
	return &sl, nil
}

func (s *sealer) seal(plain []byte, bound string) []byte {
	return s.keys[0].Seal(nil, nil, plain, []byte(bound))
}

var errSeal = errors.New("albatross: what was sealed does not open")

func (s *sealer) open(sealed []byte, bound string) ([]byte, error) {
	for _, aead := range s.keys {
		if plain, err := aead.Open(nil, nil, sealed, []byte(bound)); err == nil {
			return plain, nil
		}
	}
	return nil, errSeal
}

// signer authenticates: HMAC-SHA-256.
type signer struct{ keys [][]byte }

func newSigner(s Secrets, purpose string) (*signer, error) {
	keys, err := s.derive(purpose)
	return &signer{keys}, err
}

// sign returns the signature, and the data after it.
func (s *signer) sign(data []byte) []byte { return append(mac(s.keys[0], data), data...) }

// verify returns the data of what sign returned.
func (s *signer) verify(signed []byte) ([]byte, bool) {
	if len(signed) < sha256.Size {
		return nil, false
	}
	data := signed[sha256.Size:]
	for _, key := range s.keys {
		if hmac.Equal(signed[:sha256.Size], mac(key, data)) {
			return data, true
		}
	}
	return nil, false
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
