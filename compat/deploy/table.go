package deploy

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes what the configuration comes to: where the server listens and within which limits, and for each
// application where it is mounted and how its sessions are kept. Nothing in it is secret.
func (s *Site) WriteTable(w io.Writer) error {
	c := s.server
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "server\tlisten\t%s\n", c.Listen)
	for _, row := range [][2]string{
		{"max_body", size(c.MaxBody)}, {"max_header", size(c.MaxHeader)},
		{"read_header_timeout", never(c.ReadHeaderTimeout)}, {"read_timeout", never(c.ReadTimeout)},
		{"write_timeout", never(c.WriteTimeout)}, {"idle_timeout", never(c.IdleTimeout)},
		{"max_connections", fmt.Sprint(c.MaxConnections)}, {"drain", never(c.Drain)},
	} {
		fmt.Fprintf(t, "\t%s\t%s\n", row[0], row[1])
	}
	for _, a := range s.apps {
		fmt.Fprintln(t)
		fmt.Fprintf(t, "%s\ttitle\t%s\n", a.Name, a.Title)
		fmt.Fprintf(t, "\tuse\t%s\n", a.Factory)
		fmt.Fprintf(t, "\tmounted at\t%s\n", mountList(a.Mounts))
		if a.Manager == nil {
			continue
		}
		m := a.Manager.Config()
		for _, row := range [][2]string{
			{"manager", a.Manager.ID() + sharedNote(a.Share)}, {"store", a.Place}, {"locking", m.Locking.String()}, {"save", m.Save.String()},
			{"idle_timeout", never(m.IdleTimeout)}, {"absolute_timeout", never(m.AbsoluteTimeout)},
			{"lock_wait", never(m.LockWait)}, {"lease", never(m.Lease)}, {"max_size", size(int64(m.MaxSize))},
			{"cookie", a.cookie()}, {"carrier", "cookie"},
		} {
			fmt.Fprintf(t, "\t%s\t%s\n", row[0], row[1])
		}
	}
	for _, title := range s.unused {
		fmt.Fprintf(t, "\n%s\tis mounted nowhere\n", title)
	}
	return t.Flush()
}

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

func never(d time.Duration) string {
	if d <= 0 {
		return "never"
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
