package bench

import "net/http"

// echoPeer is Echo alone: no session, the least that any peer can cost.
var echoPeer = Peer{
	Name:   "echo",
	Medium: Nowhere,
	Bare:   true,
	Open: func(string) (http.Handler, func() error, error) {
		return serve(handlers{read: ok, write: ok, create: ok, count: ok}), closeNothing, nil
	},
}
