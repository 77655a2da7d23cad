package webstack

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Charset is a way to write text as bytes: what WebStack's methods call an encoding. Go strings are UTF-8; a
// Charset converts between them and what travels. It is immutable.
type Charset struct {
	name string
	high *[128]rune // what the bytes from 0x80 stand for; nil for UTF-8, a zero for nothing
}

// The character sets that are known here.
var (
	UTF8        = &Charset{name: "utf-8"}
	ASCII       = &Charset{name: "us-ascii", high: new([128]rune)}
	ISO8859_1   = &Charset{name: "iso-8859-1", high: latin1(nil)}
	ISO8859_15  = &Charset{name: "iso-8859-15", high: latin1(latin9)}
	Windows1252 = &Charset{name: "windows-1252", high: latin1(windows)}
)

// latin9 is where ISO 8859-15 differs from ISO 8859-1.
var latin9 = map[byte]rune{0xA4: '€', 0xA6: 'Š', 0xA8: 'š', 0xB4: 'Ž', 0xB8: 'ž', 0xBC: 'Œ', 0xBD: 'œ', 0xBE: 'Ÿ'}

// windows is where Windows-1252 differs from ISO 8859-1.
var windows = map[byte]rune{
	0x80: '€', 0x81: 0, 0x82: '‚', 0x83: 'ƒ', 0x84: '„', 0x85: '…', 0x86: '†', 0x87: '‡', 0x88: 'ˆ', 0x89: '‰', 0x8A: 'Š',
	0x8B: '‹', 0x8C: 'Œ', 0x8D: 0, 0x8E: 'Ž', 0x8F: 0, 0x90: 0, 0x91: '‘', 0x92: '’', 0x93: '“', 0x94: '”', 0x95: '•',
	0x96: '–', 0x97: '—', 0x98: '˜', 0x99: '™', 0x9A: 'š', 0x9B: '›', 0x9C: 'œ', 0x9D: 0, 0x9E: 'ž', 0x9F: 'Ÿ',
}

func latin1(except map[byte]rune) *[128]rune {
	t := new([128]rune)
	for i := range t {
		t[i] = rune(0x80 + i)
	}
	for b, c := range except {
		t[b-0x80] = c
	}
	return t
}

// charsets are the names by which a charset is found.
var charsets = map[string]*Charset{
	"utf-8": UTF8, "utf8": UTF8,
	"us-ascii": ASCII, "ascii": ASCII,
	"iso-8859-1": ISO8859_1, "iso8859-1": ISO8859_1, "latin-1": ISO8859_1, "latin1": ISO8859_1,
	"iso-8859-15": ISO8859_15, "iso8859-15": ISO8859_15, "latin-9": ISO8859_15, "latin9": ISO8859_15,
	"windows-1252": Windows1252, "cp1252": Windows1252,
}

// CharsetNamed returns the charset of that name, as it stands in a Content-Type or in Python code: "utf-8",
// "iso-8859-1", "latin-1", "iso-8859-15", "windows-1252", "us-ascii". Case and underscores do not matter. The error
// names the ones there are.
func CharsetNamed(name string) (*Charset, error) {
	if c := charsets[strings.ReplaceAll(strings.ToLower(name), "_", "-")]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("webstack: the charset %.40q is not known here; use utf-8, iso-8859-1, iso-8859-15, windows-1252 or us-ascii", name)
}

// String returns the name of the charset, as it stands in a Content-Type.
func (c *Charset) String() string { return c.name }

// CharsetError tells that a text can not be written in a charset: UnicodeError in Python.
type CharsetError struct {
	Charset *Charset
	Char    rune // what the charset does not have; U+FFFD for bytes that are no UTF-8
}

func (e *CharsetError) Error() string {
	if e.Char == utf8.RuneError {
		return fmt.Sprintf("webstack: the text for %s is no UTF-8; write bytes under a content type that is no text", e.Charset)
	}
	return fmt.Sprintf("webstack: %s has no %q (%U); choose a charset that has it, such as utf-8, with SetContentType", e.Charset, e.Char, e.Char)
}

// Decode returns the text that bytes stand for. Those that stand for nothing become U+FFFD.
func (c *Charset) Decode(s string) string {
	if isASCII(s) {
		return s
	}
	if c.high == nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		switch r := c.rune(s[i]); r {
		case 0:
			if s[i] == 0 {
				b.WriteByte(0)
			} else {
				b.WriteRune(utf8.RuneError)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (c *Charset) rune(b byte) rune {
	if b < 0x80 {
		return rune(b)
	}
	return c.high[b-0x80]
}

// Encode returns the bytes for a text. The error is a *CharsetError.
func (c *Charset) Encode(text string) (string, error) {
	if c.high == nil || isASCII(text) {
		return text, nil
	}
	b, rest, err := c.append(nil, text)
	if err == nil && rest != "" {
		err = &CharsetError{c, utf8.RuneError}
	}
	return string(b), err
}

// append adds the bytes for a text to dst. rest is what stands at the text's end and may be the beginning of a
// character. After an error dst is as it was.
func (c *Charset) append(dst []byte, text string) (out []byte, rest string, err error) {
	if c.high == nil || isASCII(text) {
		return append(dst, text...), "", nil
	}
	out = dst
	for i, r := range text {
		switch {
		case r < 0x80:
			out = append(out, byte(r))
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			if !utf8.FullRuneInString(text[i:]) {
				return out, text[i:], nil
			}
			return dst, "", &CharsetError{c, r}
		default:
			at := c.find(r)
			if at < 0 {
				return dst, "", &CharsetError{c, r}
			}
			out = append(out, byte(0x80+at))
		}
	}
	return out, "", nil
}

// find returns the place of a character among the high bytes, or -1.
func (c *Charset) find(r rune) int {
	if i := int(r) - 0x80; i < 128 && c.high[i] == r { // most stand where Unicode has them
		return i
	}
	return slices.Index(c.high[:], r)
}

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
