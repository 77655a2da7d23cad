package deploy

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
	"github.com/holdover-web/holdover/core"
)

// minKey is how many bytes a key has at least; compat.NewHandover refuses shorter ones.
const minKey = 32

// handover is a section [handover:NAME]: the sites that hand sessions over to each other, and the keys for that.
type handover struct {
	*options
	title string
	cfg   compat.HandoverConfig
	wrong bool // it has mistakes, which are reported

	first   *Section      // that named it
	manager *core.Manager // of all that name it
}

// handover reads a section, which is read once.
func (b *builder) handover(section *section) *handover {
	if h := b.handovers[section.name]; h != nil {
		return h
	}
	o := &options{m: b.m, doc: b.doc, at: section.at, local: section.values, asked: map[string]bool{}}
	before := len(b.m.all)
	h := &handover{options: o, title: section.title(), cfg: compat.HandoverConfig{
		Sites:        o.List("sites"),
		Lifetime:     o.limit("lifetime", 30*time.Second),
		Param:        o.word("param", "handover"),
		KeepExisting: o.Bool("keep_existing", false),
		Logger:       b.loader.log(),
	}}
	key, given := o.Lookup("key")
	if !given {
		o.Mistake("key", "it is missing: take one of at least %d characters from a random source, for example by: openssl rand -base64 32", minKey)
	} else if strings.ContainsAny(key, ", \t\n") {
		o.Mistake("key", "it is one word, without blanks and commas")
	} else {
		o.checkKey("key", key)
	}
	h.cfg.CurrentKey = []byte(key)
	for _, old := range o.List("old_keys") {
		o.checkKey("old_keys", old)
		h.cfg.OldKeys = append(h.cfg.OldKeys, []byte(old))
	}
	o.unknown()
	h.wrong = len(b.m.all) > before
	if b.handovers == nil {
		b.handovers = map[string]*handover{}
	}
	b.handovers[section.name] = h
	return h
}

// checkKey never tells the key itself.
func (o *options) checkKey(name, key string) {
	if len(key) < minKey {
		o.Mistake(name, "a key has %d characters; take at least %d from a random source, for example by: openssl rand -base64 32", len(key), minKey)
	}
}

// handsOver makes what hands a section's sessions over, if the section asks for that.
func (b *builder) handsOver(s *Section, sessions *compat.Sessions) (*compat.Handover, *handover) {
	name, ok := s.Lookup("handover")
	if !ok {
		return nil, nil
	}
	section := s.doc.find("handover", name)
	if section == nil {
		s.Mistake("handover", "there is no section [handover:%s]%s", name, meant(name, s.doc.names("handover")))
		return nil, nil
	}
	h := b.handover(section)
	if h.first == nil {
		h.first, h.manager = s, sessions.Manager()
	}
	if h.manager != sessions.Manager() {
		s.Mistake("handover", "the sessions are others than those of [%s] in line %d, which names %s too: "+
			"write the same manager and store, and share = yes, in both", h.first.name, h.first.at.line, h.title)
	}
	if h.wrong {
		return nil, nil
	}
	for _, m := range s.mounts {
		if m.Host != "" && !h.hasHost(m.Host) {
			s.Mistake("handover", "the application is mounted at %s, and %s has no site on that host", m, h.title)
		}
	}
	made, err := compat.NewHandover(sessions, h.cfg)
	if err != nil {
		h.report(s, err)
		return nil, nil
	}
	b.site.closers = append(b.site.closers, made.Close)
	return made, h
}

func (h *handover) hasHost(host string) bool {
	return slices.ContainsFunc(h.cfg.Sites, func(base string) bool {
		u, err := url.Parse(strings.Replace(base, ":*", "", 1))
		return err != nil || strings.EqualFold(u.Hostname(), withoutPort(host)) // what is malformed is reported otherwise
	})
}

// report reports what NewHandover has found, at the keys that it is about.
func (h *handover) report(s *Section, err error) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	keys := map[string]string{"Sites": "sites", "Lifetime": "lifetime", "Param": "param"}
	for _, err := range all {
		text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "compat: "), "HandoverConfig.")
		field, _, _ := strings.Cut(text, " ")
		field = strings.TrimSuffix(field, ":")
		if key := keys[field]; key != "" {
			h.Mistake(key, "%s", strings.TrimLeft(text[len(field):], ": "))
			h.wrong = true // and is not reported for the next one that names it
		} else {
			s.Mistake("handover", "%s", text)
		}
	}
}

// wrap puts the sessions around an application, and their hand-over.
func (h *holder) wrap(app compat.Application) compat.Application {
	if h.handover != nil {
		return h.handover.Wrap(app)
	}
	return h.sessions.Wrap(app)
}

func (h *handover) write(t *table) {
	t.section(strings.Trim(h.title, "[]"))
	t.row("sites", strings.Join(h.cfg.Sites, ", "))
	t.row("lifetime", never(h.cfg.Lifetime))
	t.row("param", h.cfg.Param)
	t.row("keep_existing", yesNo(h.cfg.KeepExisting))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
