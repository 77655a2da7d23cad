// Package lint watches the border between applications and servers: it reports who breaks the rules of PEP 3333, as
// wsgiref.validate and paste.lint do in Python.
//
//	app = lint.Wrap(app, lint.Config{})                 // around an application
//	mw = lint.Middleware(mw, lint.Config{Strict: true}) // around middleware, on both of its sides
//
// Both parties are checked: what the server, or middleware around, gives the application (the environ, start_response,
// the streams, and how it treats the body), and what the application gives back. A [Report] says what is wrong,
// who is in breach, which rule it breaks and what to do. It goes to Config.Report, or else to slog.Default. Without
// Config.Strict nothing else happens: a watched application behaves as it does unwatched, except that
//
//   - a [compat.File] is sent block by block, because the server only recognises it when it gets it itself,
//   - three calls that no application could survive fail with an [*Error]: one without an environ, one without
//     start_response, and one with an environ that belongs to no request,
//   - a reader in place of wsgi.input that claims to have read more than there was room for gives io.ErrNoProgress, and
//     a nil Blocks function is an empty body.
//
// With Config.Strict a breach fails the request. Put the watch into tests and staging, or leave it on for one
// application that is being ported: it computes the whole environ of each request and notes what happens under a
// mutex. What is not wrapped pays nothing.
//
// An application that uses [compat.Environ.ResponseWriter] in place of start_response, as adapters do, is held to the
// rules of its input and of its body, but not to those of start_response.
//
// # The checks of wsgiref.validate
//
// The numbers are in the order of its code, Python 3.11. "Types" says that Go's types leave no way to break the rule.
//
//	 1  two positional arguments         environ-missing, start-missing; the rest: types
//	 2  environ is exactly a dict        environ-made-by-hand
//	 3  required keys                    environ-key-missing; SERVER_PROTOCOL and empty strings too, as PEP 3333 asks
//	 4  no HTTP_CONTENT_*                environ-http-content
//	 5  QUERY_STRING (warning)           environ-query-string
//	 6  CGI values are str               environ-not-string
//	 7  wsgi.version is a tuple          environ-version
//	 8  http or https                    environ-url-scheme
//	 9  methods of the input             environ-input
//	10  methods of the error stream      environ-errors
//	11  unknown method (warning)         environ-method
//	12  SCRIPT_NAME begins with /        environ-script-name
//	13  PATH_INFO begins with /          environ-path-info
//	14  CONTENT_LENGTH is not negative   environ-content-length
//	15  PATH_INFO or SCRIPT_NAME         environ-path-info-missing
//	16  SCRIPT_NAME is not /             environ-script-name-root
//	17  arguments of start_response      types; that it returns a writer: start-no-writer
//	18  form of the status               status, status-reason (warning). Final ones only: compat has 1xx elsewhere
//	19  headers are exactly a list       types; that the list is the server's from then on: headers-changed
//	20  headers are pairs of str         types
//	21  no header Status                 header-status
//	22  names of headers                 header-name
//	23  values of headers                header-value
//	24  Content-Type                     content-type-missing, content-type-forbidden
//	25  exc_info is None or a tuple      types, but for exc-info-typed-nil
//	26  write gets bytes                 types; when it may be called, and what it returns: write-late, write-result
//	27  input.read with one argument     types, but for input-read-empty (warning). [compat.Input.ReadAll] is read()
//	                                     without a size, which PEP 3333 allows and this check does not: not reported
//	28  arguments of readline, bytes     types, but for input-result
//	29  input.close                      compat.Input has none; that of the request's Body: input-closed
//	30  errors get str, no close         there is no Close; errors-not-text
//	31  the body is not None or False    nil is allowed here; body-typed-nil, body-nil-blocks
//	32  the body is no str               types
//	33  blocks are bytes                 types; block-with-error
//	34  start_response before blocks     block-before-start, not-started
//	35  no block after close             block-after-close
//	36  close was called                 not-closed, noticed when the request ends rather than by the collector
//
// # What else is checked
//
// Headers of the connection (header-hop-by-hop), repeated start_response (start-twice), its errors (start-error-ignored,
// exc-info-late), Content-Length against the body (content-length-value, content-length-exceeded, content-length-short), content where there
// must be none (body-forbidden), how often the body is iterated and closed (blocks-twice, close-twice,
// block-after-stop), write from within the body (write-in-body), use after the end of the call (start-late, write-late,
// input-late, errors-late), the input against CONTENT_LENGTH (input-length), reading it in two ways
// (input-two-readers), and middleware that holds blocks back (middleware-delays). [Checks] lists all of them.
//
// Not checked, because it would need a copy of everything: whether the receiver of a block changes or keeps it.
package lint
