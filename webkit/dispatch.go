package webkit

import (
	"errors"
	"net/http"

	"github.com/holdover-web/holdover/compat"
)

// Call implements compat.Application: it answers one request, as __call__ and dispatchRawRequest do.
//
// A failure that no page of the application answers is returned, after the session was rolled back.
func (a *Application) Call(env *compat.Environ, start compat.StartResponse) (compat.Body, error) {
	t := &Transaction{app: a, env: env}
	t.request.init(t)
	t.response.init(t, start, a.settings.ResponseBufferSize)
	t.request.place.url = env.PathInfo()
	defer t.close()
	err := a.runTransaction(t)
	if err != nil {
		err = a.answer(t, err)
	}
	if p, ok := errors.AsType[*PanicError](err); ok && p.aborts() {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		return nil, err
	}
	return nil, t.response.Deliver()
}

// runTransaction finds the servlet and runs it: runTransaction. It returns nil for ErrEndResponse.
func (a *Application) runTransaction(t *Transaction) error {
	err := a.find(t)
	if err == nil {
		err = t.runServlet()
	}
	if ended(err) {
		return nil
	}
	return err
}

func (a *Application) find(t *Transaction) error {
	if a.settings.UseAutomaticPathSessions {
		a.takePathSession(t)
	}
	if err := a.findServlet(t); err != nil {
		return err
	}
	if a.settings.UseAutomaticPathSessions {
		return a.handlePathSession(t)
	}
	return nil
}

// close frees what the request held.
func (t *Transaction) close() {
	if err := t.request.close(); err != nil {
		t.app.log.WarnContext(t.Context(), "temporary files of a form were not removed", "error", err)
	}
	t.response.release()
}
