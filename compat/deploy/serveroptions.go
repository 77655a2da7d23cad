package deploy

import (
	"maps"
	"net"
	"slices"
	"strconv"
)

// server reads [server:main]. Without it the defaults hold.
func (b *builder) server() {
	for _, s := range b.doc.sections {
		if s.kind == "server" && s.name != "main" {
			b.m.add(s.at, "[server:%s] would never start: the server is [server:main]", s.name)
		}
	}
	section := b.doc.find("server", "main")
	if section == nil {
		b.site.server = ServerConfig{}.WithDefaults()
		return
	}
	p := &planner{loader: b.loader, doc: b.doc, m: b.m}
	o := p.options(section, nil)
	if _, given := o.local["use"]; given {
		if use, at, ok := p.used(o); ok && use != "http" {
			b.m.add(at, "use: there is no server %s; leave the line away", use)
		}
	}
	c := ServerConfig{
		Listen:            o.listen(),
		MaxBody:           o.Size("max_body", 0),
		MaxHeader:         o.Size("max_header", 0),
		ReadHeaderTimeout: o.Duration("read_header_timeout", 0),
		ReadTimeout:       o.Duration("read_timeout", 0),
		WriteTimeout:      o.Duration("write_timeout", 0),
		IdleTimeout:       o.Duration("idle_timeout", 0),
		MaxConnections:    o.Int("max_connections", 0, 1),
		Drain:             o.limit("drain", 0),
	}
	if text, ok := o.Lookup("socket_mode"); ok {
		mode, err := strconv.ParseUint(text, 8, 9)
		if err != nil || mode == 0 {
			o.Mistake("socket_mode", "%q is no mode such as 0660", text)
		}
		c.SocketMode = uint32(mode)
	}
	o.unknown()
	b.serverKeys = slices.Collect(maps.Keys(o.asked))
	b.site.server = c.WithDefaults()
}

// listen reads where to listen: listen, or host and port as Paste's server has them.
func (o *options) listen() string {
	address, given := o.Lookup("listen")
	host, byHost := o.Lookup("host")
	port, byPort := o.Lookup("port")
	key := "listen"
	switch {
	case given && (byHost || byPort):
		if o.local["listen"].at.line > 0 { // it is no override
			o.Mistake("listen", "host or port say the same; give listen or those")
		}
	case !given && (byHost || byPort):
		if !byHost {
			host = "127.0.0.1"
		}
		if !byPort {
			port = "8080"
		}
		key, address = "port", net.JoinHostPort(host, port)
	case !given:
		return ""
	}
	if err := checkListen(address); err != nil {
		o.Mistake(key, "%v", err)
	}
	return address
}
