package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	masterName = "mymaster"
	sentinels  = 3
	quorum     = 2

	// downAfter is how long a server must be silent to be taken for dead. Redis 6.2 pings every second,
	// and with less than that takes every new master for dead.
	downAfter     = time.Second
	downAfterSlow = 1500 * time.Millisecond

	// failoverTimeout is how long a fail-over may take before another sentinel tries. It takes about
	// two seconds.
	failoverTimeout = 4 * time.Second

	// sentinelTime is for sentinels to agree. It is seconds, except on a busy machine and on Redis 6.2.
	sentinelTime = 60 * time.Second
)

// Sentinel is a master with replicas, and three sentinels that watch them.
type Sentinel struct {
	t         testing.TB
	servers   []*Server
	sentinels []*Server
}

// StartSentinel starts a master, one replica and three sentinels of which two must agree, and returns
// when WaitOK would. A fail-over takes about three seconds.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	return StartSentinelReplicas(t, 1)
}

// StartSentinelReplicas is StartSentinel with so many replicas. args are as for Start, for the master and
// the replicas; the password of a "--requirepass" is made known to all who need it.
func StartSentinelReplicas(t testing.TB, replicas int, args ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{t: t}
	for i := range 1 + replicas {
		var conf string
		if i > 0 {
			conf = fmt.Sprintf("replicaof 127.0.0.1 %d\n", s.servers[0].port)
		}
		s.servers = append(s.servers, startFromFile(t, conf, args))
	}
	for range sentinels {
		s.sentinels = append(s.sentinels, startSentinel(t, s.servers[0]))
	}
	s.WaitOK()
	return s
}

// startFromFile starts a server that has a configuration file, which it rewrites when its role changes:
// so a Restart finds it in the role it had.
func startFromFile(t testing.TB, conf string, args []string) *Server {
	t.Helper()
	return start(t, false, func(port int, dir string) []string {
		all := serverArgs(port, dir, args...)
		if i := slices.Index(all, "--requirepass"); i >= 0 && i+1 < len(all) {
			all = append(all, "--masterauth", all[i+1])
		}
		return append([]string{writeFile(t, dir, conf)}, all...)
	})
}

func startSentinel(t testing.TB, master *Server) *Server {
	t.Helper()
	n := start(t, false, func(port int, dir string) []string {
		var conf strings.Builder
		fmt.Fprintf(&conf, "port %d\nbind 127.0.0.1\ndir %s\n", port, strconv.Quote(dir))
		fmt.Fprintf(&conf, "sentinel monitor %s 127.0.0.1 %d %d\n", masterName, master.port, quorum)
		for name, value := range map[string]any{
			"down-after-milliseconds": downAfterSlow.Milliseconds(),
			"failover-timeout":        failoverTimeout.Milliseconds(),
			"parallel-syncs":          1,
		} {
			fmt.Fprintf(&conf, "sentinel %s %s %d\n", name, masterName, value)
		}
		if master.password != "" {
			fmt.Fprintf(&conf, "sentinel auth-pass %s %s\n", masterName, strconv.Quote(master.password))
		}
		return []string{writeFile(t, dir, conf.String()), "--sentinel"}
	})
	n.hurry()
	return n
}

// hurry has a sentinel do more often what it does every one, two and ten seconds. Redis 6.2 can not.
func (s *Server) hurry() {
	s.t.Helper()
	_, err := s.Do("SENTINEL", "DEBUG", "PING-PERIOD", 200, "PUBLISH-PERIOD", 500, "INFO-PERIOD", 1000)
	if err == nil {
		s.must("SENTINEL", "SET", masterName, "down-after-milliseconds", downAfter.Milliseconds())
	}
}

func writeFile(t testing.TB, dir, content string) string {
	t.Helper()
	name := filepath.Join(dir, "server.conf")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Addrs returns the addresses of the sentinels.
func (s *Sentinel) Addrs() []string {
	var addrs []string
	for _, n := range s.sentinels {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// MasterName returns the name that the sentinels know the master by.
func (s *Sentinel) MasterName() string { return masterName }

// Sentinels returns the sentinels, in the order of Addrs.
func (s *Sentinel) Sentinels() []*Server { return slices.Clone(s.sentinels) }

// Servers returns what was the master at first, then what were its replicas.
func (s *Sentinel) Servers() []*Server { return slices.Clone(s.servers) }

// Master returns the master that all sentinels name that run and are not paused, and that says itself
// that it is one. It waits for that, so after KillMaster it waits for the fail-over.
func (s *Sentinel) Master() *Server {
	s.t.Helper()
	var master *Server
	s.wait("master", func() (err error) {
		master, err = s.master()
		return err
	})
	return master
}

// wait ends the test if done does not return nil in time.
func (s *Sentinel) wait(what string, done func() error) {
	s.t.Helper()
	if err := wait(sentinelTime, done); err != nil {
		s.t.Fatalf("redistest: no %s %v", what, err)
	}
}

func answeringOf(servers []*Server) []*Server {
	return slices.DeleteFunc(slices.Clone(servers), func(n *Server) bool { return !n.answering() })
}

func (s *Sentinel) master() (*Server, error) {
	var named []string // host and port, by each sentinel
	for _, n := range answeringOf(s.sentinels) {
		v, err := n.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName)
		if err != nil {
			return nil, err
		}
		named = append(named, fmt.Sprint(v))
	}
	if len(slices.Compact(slices.Clone(named))) != 1 {
		return nil, fmt.Errorf("the sentinels name %v", named)
	}
	for _, n := range answeringOf(s.servers) {
		if named[0] != fmt.Sprintf("[127.0.0.1 %d]", n.port) {
			continue
		}
		info, err := n.info("replication")
		if err == nil && info["role"] != "master" {
			err = fmt.Errorf("%s is a %s", n.Addr(), info["role"])
		}
		return n, err
	}
	return nil, fmt.Errorf("%s does not answer", named[0])
}

// WaitOK waits until all servers and sentinels that run, and are not paused, agree that all is well: there
// is one master, all others are its replicas and linked, and each sentinel knows all of them. A
// master that comes back after a fail-over is left alone for two seconds before it is made a replica.
func (s *Sentinel) WaitOK() {
	s.t.Helper()
	s.wait("order among the servers and sentinels", func() error {
		master, err := s.master()
		if err != nil {
			return err
		}
		servers := answeringOf(s.servers)
		for _, n := range servers {
			info, err := n.info("replication")
			if err != nil {
				return err
			}
			if n != master && (info["master_link_status"] != "up" || info["master_port"] != strconv.Itoa(master.port)) {
				return fmt.Errorf("%s is no replica of %s: %v", n.Addr(), master.Addr(), info)
			}
		}
		return s.watched(len(servers) - 1)
	})
}

// watched returns nil when each sentinel knows the others, and the master with so many replicas.
func (s *Sentinel) watched(replicas int) error {
	watchers := answeringOf(s.sentinels)
	for _, n := range watchers {
		known, err := n.Do("SENTINEL", "MASTER", masterName)
		if err != nil {
			return err
		}
		m := pairs(known)
		others, err := strconv.Atoi(m["num-other-sentinels"])
		if m["flags"] != "master" || err != nil || others < len(watchers)-1 {
			return fmt.Errorf("sentinel %s knows %s other sentinels; its master is %s", n.Addr(), m["num-other-sentinels"], m["flags"])
		}
		list, err := n.Do("SENTINEL", "REPLICAS", masterName)
		if err != nil {
			return err
		}
		up := 0
		replies, _ := list.([]any)
		for _, reply := range replies {
			if pairs(reply)["flags"] == "slave" { // and not "s_down,slave"
				up++
			}
		}
		if up < replicas {
			return fmt.Errorf("sentinel %s knows %d of %d replicas", n.Addr(), up, replicas)
		}
	}
	return nil
}

// pairs reads a list of names and values in turn.
func pairs(v any) map[string]string {
	list, _ := v.([]any)
	m := map[string]string{}
	for pair := range slices.Chunk(list, 2) {
		if len(pair) == 2 {
			m[fmt.Sprint(pair[0])] = fmt.Sprint(pair[1])
		}
	}
	return m
}

// KillMaster kills the master and returns it. It does not wait for the fail-over: Master does.
func (s *Sentinel) KillMaster() *Server {
	s.t.Helper()
	n := s.Master()
	n.Kill()
	return n
}

// Failover has the sentinels make a replica the master, although the master lives, and waits until they
// name it. It returns the old and the new one. The old one goes on accepting writes, which will be lost,
// for some two seconds until it is made a replica: WaitOK waits for that.
func (s *Sentinel) Failover() (from, to *Server) {
	s.t.Helper()
	from = s.Master()
	s.wait("fail-over", func() error { // refused while another one is on
		_, err := answeringOf(s.sentinels)[0].Do("SENTINEL", "FAILOVER", masterName)
		return err
	})
	s.wait("new master", func() (err error) {
		to, err = s.master()
		if err == nil && to == from {
			err = errors.New("it is the old one still")
		}
		return err
	})
	return from, to
}
