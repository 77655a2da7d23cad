package deploy

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/holdover-web/holdover/compat"
)

// WriteTable writes what the configuration comes to: where the server listens and within which limits, and for each
// application where it is mounted and how its sessions are kept. Nothing in it is secret.
func (s *Site) WriteTable(w io.Writer) error {
	c := s.server
	var t table
	t.section("server:main")
	t.row("listen", c.Listen)
	t.row("max_body", size(c.MaxBody))
	t.row("max_header", size(c.MaxHeader))
	t.row("read_header_timeout", never(c.ReadHeaderTimeout))
	t.row("read_timeout", never(c.ReadTimeout))
	t.row("write_timeout", never(c.WriteTimeout))
	t.row("idle_timeout", never(c.IdleTimeout))
	t.row("max_connections", fmt.Sprint(c.MaxConnections))
	t.row("drain", never(c.Drain))
	for _, a := range s.apps {
		a.write(&t)
	}
	for _, h := range s.over {
		h.write(&t)
	}
	for _, sentence := range s.unused {
		fmt.Fprintf(&t.out, "\n%s\n", sentence)
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

func (a App) write(t *table) {
	t.section(a.section)
	t.row("use", a.Factory)
	t.row("mounted at", mountList(a.Mounts))
	if a.Title != a.Name {
		t.row("title", a.Title)
	}
	if a.Manager == nil {
		return
	}
	m := a.Manager.Config()
	t.row("manager", a.Manager.ID()+sharedNote(a.Share))
	t.row("store", a.Place)
	t.row("locking", m.Locking.String())
	t.row("save", m.Save.String())
	t.row("idle_timeout", never(m.IdleTimeout))
	t.row("absolute_timeout", never(m.AbsoluteTimeout))
	t.row("touch_interval", never(m.TouchInterval))
	t.row("lock_wait", never(m.LockWait))
	t.row("lease", never(m.Lease))
	t.row("max_size", size(int64(m.MaxSize)))
	carriers, name := a.Sessions.Carriers()
	if slices.Contains(carriers, compat.ByCookie) {
		t.row("cookie", a.cookie())
	}
	t.row("carrier", carrierList(carriers))
	if len(carriers) > 1 || carriers[0] != compat.ByCookie {
		t.row("carrier_name", name)
	}
	if a.Handover != nil {
		t.row("handover", a.over)
	}
}

// table is a text in two columns.
type table struct{ out strings.Builder }

func (t *table) section(title string) {
	if t.out.Len() > 0 {
		t.out.WriteByte('\n')
	}
	fmt.Fprintf(&t.out, "[%s]\n", title)
}

func (t *table) row(key, value string) { fmt.Fprintf(&t.out, "  %-20s %s\n", key, value) }

func sharedNote(share bool) string {
	if share {
		return " (share = yes)"
	}
	return ""
}

// cookie describes the session cookie in the words of Set-Cookie.
func (a App) cookie() string {
	ck, mode := a.Sessions.Cookie()
	ck.Value = ""
	text := strings.Replace(ck.String(), "=", "", 1) // no value
	if ck.Secure {
		return text
	}
	return text + "; Secure " + secureWord(mode)
}

func mountList(mounts []Mount) string {
	var list []string
	for _, m := range mounts {
		list = append(list, m.String())
	}
	return strings.Join(list, ", ")
}

func carrierList(carriers []compat.Carrier) string {
	var list []string
	for _, c := range carriers {
		list = append(list, c.String())
	}
	return strings.Join(list, ", ")
}

func never(d time.Duration) string {
	if d <= 0 {
		return "never"
	}
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func size(n int64) string {
	switch {
	case n < 0:
		return "no limit"
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprint(n)
}
