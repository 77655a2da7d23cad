package compat

import (
	"fmt"
	"io"
	"sync"
)

// PerRequest returns an application that makes an instance for each request, as paste.urlparser does for
// applications that are classes: for one that keeps what belongs to a request in itself. The instance is used by one
// goroutine at a time. If it is an io.Closer it is closed exactly once, after the response's body, or when the request
// fails or panics; an error of Close is treated as the application's.
//
// An error of construct is the application's own error, and nothing is closed then. PerRequest panics if construct
// is nil.
func PerRequest(construct func(env *Environ) (Application, error)) Application {
	if construct == nil {
		panic("compat: PerRequest: construct is nil")
	}
	return ApplicationFunc(func(env *Environ, start StartResponse) (Body, error) {
		app, err := construct(env)
		if err != nil {
			return nil, err
		}
		if app == nil {
			return nil, errNoInstance
		}
		c, ok := app.(io.Closer)
		if !ok {
			return app.Call(env, start)
		}
		handed := false
		defer func() {
			if !handed { // it panicked
				_ = c.Close()
			}
		}()
		body, err := app.Call(env, start)
		handed = true
		if body == nil {
			return nil, firstError(err, c.Close())
		}
		return closing(body, c.Close), err
	})
}

var errNoInstance = fmt.Errorf("compat: the constructor of an application returned none, and no error")

// OneInstance is an application that is made when the first request comes, and serves all of them: for one that is
// expensive and may never be asked for. It is what paste.urlparser does for a module's attribute named application.
type OneInstance struct {
	construct func() (Application, error)

	mu     sync.Mutex // protects the following fields
	app    Application
	closed bool
}

// Once returns an application that construct makes when it is first needed. Other requests wait meanwhile. If
// construct fails, that request fails with its error, and the next one tries again. It panics if construct is nil.
func Once(construct func() (Application, error)) *OneInstance {
	if construct == nil {
		panic("compat: Once: construct is nil")
	}
	return &OneInstance{construct: construct}
}

// Call implements Application.
func (o *OneInstance) Call(env *Environ, start StartResponse) (Body, error) {
	app, err := o.instance()
	if err != nil {
		return nil, err
	}
	return app.Call(env, start)
}

func (o *OneInstance) instance() (Application, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, fmt.Errorf("compat: the application was closed")
	}
	if o.app != nil {
		return o.app, nil
	}
	app, err := o.construct()
	switch {
	case err != nil:
		return nil, err
	case app == nil:
		return nil, errNoInstance
	}
	o.app = app
	return app, nil
}

// Close closes the instance, if there is one and it is an io.Closer. Requests that come later fail. Call it
// when the server has stopped; a second Close returns nil.
func (o *OneInstance) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	app := o.app
	o.app, o.closed = nil, true
	if c, ok := app.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
