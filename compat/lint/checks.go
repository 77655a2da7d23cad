package lint

import "slices"

// Check is one thing that is checked.
type Check struct {
	Name    string // stable, for Config.Ignore and for filters
	Number  int    // of the check of wsgiref.validate that it stands for, see the package's table; 0 if it has none
	Warning bool   // it is a bad habit rather than a breach
	Rule    string // where the rule stands, and what it is
	Advice  string // what to do
}

// Checks returns all checks, in the order of a call: what the application is given, start_response, the body, the
// streams, middleware.
func Checks() []Check { return slices.Clone(checks) }

var byName = func() map[string]Check {
	m := make(map[string]Check, len(checks))
	for _, c := range checks {
		m[c.Name] = c
	}
	return m
}()

// The places of the rules.
const (
	details    = "PEP 3333, Specification Details: "
	variables  = "PEP 3333, environ Variables: "
	streams    = "PEP 3333, Input and Error Streams: "
	startRule  = "PEP 3333, The start_response() Callable: "
	lengthRule = "PEP 3333, Handling the Content-Length Header: "
	writeRule  = "PEP 3333, The write() Callable: "
	excRule    = "PEP 3333, Error Handling: "
	bodyRule   = "compat.Body: "
)

var checks = slices.Concat(environChecks, startChecks, bodyChecks, streamChecks)

var environChecks = []Check{
	{"environ-missing", 1, false, details + "an application is called with an environ and a start_response",
		"Pass on the environ that you were given."},
	{"start-missing", 1, false, details + "an application is called with an environ and a start_response",
		"Pass on start_response, or a function of your own that calls it."},
	{"environ-made-by-hand", 2, false, details + "the environ is of the server's own type",
		"Pass on the environ that you were given, changed with Set and Delete."},
	{"environ-key-missing", 3, false, variables + "this key is always there, and never empty",
		"Find the middleware that deletes the key or empties it."},
	{"environ-http-content", 4, false, variables + "Content-Type and Content-Length have keys without HTTP_",
		"Set CONTENT_TYPE or CONTENT_LENGTH instead."},
	{"environ-query-string", 5, true, variables + "QUERY_STRING may be absent, but many applications are not prepared for it",
		"Set QUERY_STRING to the empty string rather than delete it."},
	{"environ-not-string", 6, false, variables + "values of CGI variables are strings; what is absent has no key",
		"Set a string, or delete the key, or choose one with a dot, such as \"myapp.user\"."},
	{"environ-version", 7, false, variables + "wsgi.version is (1, 0), here [2]int{1, 0}",
		"Leave wsgi.version alone."},
	{"environ-url-scheme", 8, false, variables + "wsgi.url_scheme is \"http\" or \"https\" in an HTTP server",
		"Set it in lower case, from a proxy that you trust."},
	{"environ-input", 9, false, streams + "wsgi.input has read, readline, readlines and iteration, so it is a *compat.Input",
		"Set compat.NewInput(reader)."},
	{"environ-errors", 10, false, streams + "wsgi.errors has flush, write and writelines, so it is a *compat.ErrorStream",
		"Set compat.NewErrorStream(ctx, logger)."},
	{"environ-method", 11, true, variables + "REQUEST_METHOD is one that HTTP knows",
		"Have the server refuse methods that no application of it handles."},
	{"environ-script-name", 12, false, variables + "SCRIPT_NAME is empty or begins with a slash",
		"Move whole segments, with ShiftPathInfo."},
	{"environ-path-info", 13, false, variables + "PATH_INFO is empty or begins with a slash",
		"Move whole segments, with ShiftPathInfo."},
	{"environ-content-length", 14, false, variables + "CONTENT_LENGTH is absent, empty or a number that is not negative",
		"Delete the key if the length is not known."},
	{"environ-path-info-missing", 15, false, variables + "one of SCRIPT_NAME and PATH_INFO is set",
		"Set PATH_INFO to \"/\" for the root."},
	{"environ-script-name-root", 16, false, variables + "the root is an empty SCRIPT_NAME and a PATH_INFO of \"/\"",
		"Set SCRIPT_NAME to the empty string and leave the slash in PATH_INFO."},
}

var startChecks = []Check{
	{"status", 18, false, startRule + "the status is three digits, a space and a reason, without control characters",
		"Write for example \"200 OK\". Informational statuses go through Environ.ResponseWriter."},
	{"status-reason", 18, true, startRule + "the status is three digits, a space and a reason",
		"Write for example \"200 OK\", not \"200\"."},
	{"headers-changed", 19, false, startRule + "the list of headers is the server's once start_response has it",
		"Make a slice for each call, and call start_response when it is complete."},
	{"header-status", 21, false, startRule + "headers hold neither the status nor a header named Status",
		"Pass the status as the first argument."},
	{"header-name", 22, false, startRule + "a header's name is a letter, then letters, digits, - and _, and ends with neither of the last two",
		"Give name and value apart, without colon, blanks or line ends."},
	{"header-value", 23, false, startRule + "a header's value has no control characters, folded lines included",
		"Encode the value. What comes from a client and is not encoded lets the client add headers."},
	{"header-hop-by-hop", 0, false, "PEP 3333, Other HTTP Features: headers of one connection (RFC 2616, section 13.5.1) are the server's",
		"Leave the header out; the server keeps connections and codes transfers itself."},
	{"content-type-missing", 24, false, "wsgiref.validate: a response that may have content has a Content-Type",
		"Name the type, or the browser will guess."},
	{"content-type-forbidden", 24, false, "wsgiref.validate: a response that has no content has no Content-Type",
		"Leave the header out."},
	{"exc-info-typed-nil", 25, false, excRule + "excInfo is nil or an error",
		"Pass a plain nil; a nil pointer in an error is not a nil error."},
	{"start-twice", 0, false, startRule + "it is called again only with excInfo",
		"Call it once. To replace a response by an error page pass the error as excInfo."},
	{"start-late", 0, false, details + "a call ends when the body is closed",
		"Do not keep start_response for later."},
	{"start-error-ignored", 0, false, startRule + "its error, and excInfo when the headers have left, end the application",
		"Return the error."},
	{"start-no-writer", 17, false, startRule + "it returns write",
		"Return the writer of the start_response around, or one that passes on to it."},
	{"exc-info-late", 0, false, excRule + "start_response gives excInfo back once the headers have left",
		"Pass the error of the start_response around on."},
	{"content-length-value", 0, false, lengthRule + "it is one number, given once",
		"Let the server find the length, or count the bytes."},
}

var bodyChecks = []Check{
	{"write-result", 26, false, writeRule + "it takes all the bytes, or there is an error",
		"Return len(p), or fewer and an error."},
	{"write-late", 26, false, details + "a call ends when the body is closed",
		"Do not keep the writer for later."},
	{"write-in-body", 0, false, writeRule + "it is not called from within the body, whose blocks come after all that is written",
		"Yield the block instead."},
	{"body-typed-nil", 31, false, bodyRule + "an application returns a body, or nil",
		"Return a plain nil; a nil pointer in a Body is not a nil Body."},
	{"body-nil-blocks", 31, false, bodyRule + "Blocks returns a function",
		"Return a function that yields nothing, or a nil Body."},
	{"block-with-error", 33, false, bodyRule + "a block or an error is yielded, not both; the block is not sent",
		"Yield the block first, then the error with nil."},
	{"block-after-stop", 0, false, bodyRule + "it stops when yield returns false, or after an error",
		"Return as soon as yield returns false."},
	{"block-before-start", 34, false, startRule + "it is called before the first block that is not empty",
		"Call it first, and return its error if there is one."},
	{"not-started", 34, false, startRule + "it is called at the latest when the body ends",
		"Call it in every branch, or return an error."},
	{"blocks-twice", 0, false, bodyRule + "Blocks is called, and what it returns is iterated, once",
		"Keep copies of the blocks if they are needed again."},
	{"block-after-close", 35, false, bodyRule + "nothing is asked of it after Close",
		"Close when the iteration is done."},
	{"close-twice", 0, false, bodyRule + "Close is called exactly once",
		"Let only the outermost receiver of the body close it."},
	{"not-closed", 36, false, details + "close is called when the request ends, however it ends",
		"Have the Close of the body that you return close the one that you were given."},
	{"body-forbidden", 0, false, "RFC 9110, section 6.4.1: responses with status 204 and 304 have no content",
		"Return a nil body."},
	{"content-length-exceeded", 0, false, lengthRule + "no more bytes are sent than were declared",
		"Count bytes, not characters, or leave the header out. Middleware that changes the body removes it."},
	{"content-length-short", 0, false, lengthRule + "as many bytes are sent as were declared; the server has to cut the connection",
		"Count bytes, not characters, or leave the header out. Middleware that changes the body removes it."},
	{"middleware-delays", 0, false, "PEP 3333, Middleware Handling of Block Boundaries: it gives at least one block for each that it gets",
		"Yield an empty block for one that you keep."},
}

var streamChecks = []Check{
	{"input-read-empty", 27, true, streams + "read has a size",
		"Read into a buffer that has room: a read into none always succeeds, and such a loop never ends."},
	{"input-result", 28, false, streams + "read returns what fits, io.Reader says how",
		"Mend the reader that was put in place of the client's body."},
	{"input-length", 0, false, streams + "the input ends where CONTENT_LENGTH says",
		"Set CONTENT_LENGTH along with wsgi.input, or put back what was read from it."},
	{"input-closed", 29, false, streams + "the application does not close the input",
		"Leave the request's Body open. The server closes it."},
	{"input-late", 0, false, details + "a call ends when the body is closed",
		"Read what is needed before, also if a goroutine is to use it."},
	{"input-two-readers", 0, false, "compat.Environ: the request's Body and wsgi.input are one stream, and lines are read ahead",
		"Read only one of them."},
	{"errors-not-text", 30, false, streams + "what is written to wsgi.errors is text",
		"Write UTF-8; use %q for what may be anything."},
	{"errors-late", 0, false, details + "a call ends when the body is closed",
		"Use a logger for what goes on after the request."},
}
