package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdover-web/holdover/core"
)

func init() {
	for _, scheme := range []string{"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"} {
		core.RegisterStore(scheme, func(ctx context.Context, url string) (core.Store, error) {
			cfg, err := ParseURL(url)
			if err != nil {
				return nil, err
			}
			st, err := Open(ctx, cfg)
			if err != nil {
				return nil, err
			}
			return st, nil
		})
	}
}

// ParseURL reads a Config from a URL:
//
//	redis://[[user]:password@]host[:port][/db]
//	redis+sentinel://[[user]:password@]host[:port][,host...]/master[/db]
//	redis+cluster://[[user]:password@]host[:port][,host...]
//
// With rediss in place of redis connections are made with TLS. Ports default to 6379, those of Sentinels to 26379.
// Settings follow as a query, named after the fields of Config: prefix, shards, grace, connections, max_pending,
// dial_timeout, timeout (durations as in 500ms or 24h), sentinel_username, sentinel_password, and for TLS
// tls_ca, tls_cert and tls_key (files) and tls_server_name. All mistakes are reported together; no error shows the
// password.
func ParseURL(raw string) (Config, error) {
	rest, hosts := cutHosts(raw)
	u, err := url.Parse(rest)
	if err != nil {
		return Config{}, errURL // the text of err would have the URL in it
	}
	p := urlParser{u: u}
	if p.query, err = url.ParseQuery(u.RawQuery); err != nil {
		return Config{}, errURL
	}
	if p.hosts, err = splitHosts(hosts); err != nil || strings.Contains(u.Path+u.Fragment, "@") {
		return Config{}, errURL // what stands there may be a part of the password
	}
	p.scheme()
	p.addrs()
	p.path()
	p.settings()
	cfg := p.cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		p.errs = append(p.errs, fmt.Errorf("redisstore: %s: %w", p.redacted(), err))
	}
	switch {
	case len(p.errs) == 0:
		return p.cfg, nil
	case strings.Contains(u.RawQuery, "@"):
		return Config{}, errURL
	}
	return Config{}, errors.Join(p.errs...)
}

// errURL is the error for URLs that can not be told apart into what is secret and what is not: an unescaped
// slash, question mark or hash in the password ends it too early.
var errURL = errors.New("redisstore: the store's URL can not be read; " +
	"write redis://user:password@host:6379/0 and escape special characters as %XX, an @ as %40")

// cutHosts takes the hosts out of a URL, for net/url knows of one only.
func cutHosts(raw string) (rest, hosts string) {
	_, after, ok := strings.Cut(raw, "://")
	if !ok {
		return raw, ""
	}
	authority := after
	if i := strings.IndexAny(after, "/?#"); i >= 0 {
		authority = after[:i]
	}
	hosts = authority[strings.LastIndexByte(authority, '@')+1:]
	begin := len(raw) - len(after) + len(authority) - len(hosts)
	return raw[:begin] + raw[begin+len(hosts):], hosts
}

// splitHosts checks a list of host[:port]. Its errors show nothing.
func splitHosts(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	var hosts []string
	for host := range strings.SplitSeq(list, ",") {
		u, err := url.Parse("redis://" + host)
		if err != nil || u.Hostname() == "" && u.Port() == "" && host != "" {
			return nil, errURL
		}
		hosts = append(hosts, u.Host)
	}
	return hosts, nil
}

type urlParser struct {
	u     *url.URL
	hosts []string
	query url.Values
	cfg   Config
	errs  []error
}

// redacted is the URL without anything secret.
func (p *urlParser) redacted() string {
	shown := url.URL{Scheme: p.u.Scheme, Host: strings.Join(p.hosts, ","), Path: p.u.Path}
	return shown.String()
}

func (p *urlParser) bad(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("redisstore: %s: %w", p.redacted(), fmt.Errorf(format, args...)))
}

func (p *urlParser) scheme() {
	base, mode, _ := strings.Cut(p.u.Scheme, "+")
	switch base {
	case "redis":
	case "rediss":
		p.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		p.bad("the scheme is %q; use redis or rediss, with +sentinel or +cluster", p.u.Scheme)
	}
	switch mode {
	case "":
	case "sentinel":
		p.cfg.Mode = Sentinel
	case "cluster":
		p.cfg.Mode = Cluster
	default:
		p.bad("the scheme is %q; use redis or rediss, with +sentinel or +cluster", p.u.Scheme)
	}
	if p.u.Opaque != "" || p.u.Fragment != "" {
		p.bad("write %s://host:port/db", p.u.Scheme)
	}
	if p.u.User != nil {
		p.cfg.Username = p.u.User.Username()
		p.cfg.Password, _ = p.u.User.Password()
	}
}

func (p *urlParser) addrs() {
	port := "6379"
	if p.cfg.Mode == Sentinel {
		port = "26379"
	}
	for _, host := range p.hosts {
		switch _, given, err := net.SplitHostPort(host); {
		case host == "":
			p.bad("a host is missing between commas")
			continue
		case err != nil:
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		case given == "":
			host += port
		}
		p.cfg.Addrs = append(p.cfg.Addrs, host)
	}
}

func (p *urlParser) path() {
	path := strings.Trim(p.u.Path, "/")
	if p.cfg.Mode == Sentinel {
		p.cfg.MasterName, path, _ = strings.Cut(path, "/")
	}
	if path == "" {
		return
	}
	db, err := strconv.Atoi(path)
	if err != nil {
		p.bad("the database is %q; give a number", path)
	}
	p.cfg.DB = db
}

func (p *urlParser) settings() {
	cfg := &p.cfg
	var ca, cert, key, serverName string
	for _, name := range slices.Sorted(maps.Keys(p.query)) {
		values := p.query[name]
		value := values[len(values)-1] // the last one counts, as everywhere in a query
		switch name {
		case "prefix":
			cfg.Prefix = value
		case "shards":
			p.number(name, value, &cfg.Shards)
		case "connections":
			p.number(name, value, &cfg.Connections)
		case "max_pending":
			p.number(name, value, &cfg.MaxPending)
		case "grace":
			p.duration(name, value, &cfg.Grace)
		case "dial_timeout":
			p.duration(name, value, &cfg.DialTimeout)
		case "timeout":
			p.duration(name, value, &cfg.Timeout)
		case "sentinel_username":
			cfg.SentinelUsername = value
		case "sentinel_password":
			cfg.SentinelPassword = value
		case "tls_ca":
			ca = value
		case "tls_cert":
			cert = value
		case "tls_key":
			key = value
		case "tls_server_name":
			serverName = value
		default:
			p.bad("no setting %s; there are prefix, shards, grace, connections, max_pending, dial_timeout, timeout, "+
				"sentinel_username, sentinel_password, tls_ca, tls_cert, tls_key and tls_server_name", name)
		}
	}
	if cfg.TLS == nil {
		if ca+cert+key+serverName != "" {
			p.bad("tls_ca, tls_cert, tls_key and tls_server_name need rediss in place of redis")
		}
		return
	}
	cfg.TLS.ServerName = serverName
	p.authority(ca)
	p.certificate(cert, key)
}

func (p *urlParser) number(name, value string, field *int) {
	n, err := strconv.Atoi(value)
	if err != nil || n == 0 {
		p.bad("%s: %q is no number of at least 1", name, value)
	}
	*field = n
}

func (p *urlParser) duration(name, value string, field *time.Duration) {
	d, err := time.ParseDuration(value)
	if err != nil || d == 0 {
		p.bad("%s: %q is no duration such as 500ms or 24h", name, value)
	}
	*field = d
}

func (p *urlParser) authority(file string) {
	if file == "" {
		return
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		p.bad("tls_ca: %w", err)
		return
	}
	p.cfg.TLS.RootCAs = x509.NewCertPool()
	if !p.cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
		p.bad("tls_ca: %s has no certificate in PEM form", file)
	}
}

func (p *urlParser) certificate(cert, key string) {
	if cert == "" && key == "" {
		return
	}
	if cert == "" || key == "" {
		p.bad("tls_cert and tls_key go together; one is missing")
		return
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		p.bad("tls_cert, tls_key: %w", err)
		return
	}
	p.cfg.TLS.Certificates = []tls.Certificate{pair}
}
