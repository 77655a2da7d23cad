package redistest

import (
	"bytes"
	"strings"
)

func words(text string) map[string]bool {
	m := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		m[word] = true
	}
	return m
}

var (
	// setupCommands are those that a client sends because it has a connection, not because it has
	// something to do. They are named as commandName names them, or by their first word.
	setupCommands = words("HELLO AUTH SELECT CLIENT PING ROLE CLUSTER SENTINEL READONLY READWRITE QUIT REPLCONF")
	scriptLoad    = "SCRIPT LOAD"

	// subscriptions are set-up too. Each of their arguments has a reply of its own.
	subscriptions = words("SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE")
	messages      = words("MESSAGE PMESSAGE SMESSAGE")

	// streams are followed by bytes without end.
	streams = words("SYNC PSYNC MONITOR")

	// containers are commands whose second word belongs to their name.
	containers = words("SCRIPT CLIENT CLUSTER CONFIG SENTINEL FUNCTION ACL MEMORY OBJECT PUBSUB LATENCY")
)

// isSetup reports whether a command is for the connection's sake.
func isSetup(name string) bool {
	first, _, _ := strings.Cut(name, " ")
	return name == scriptLoad || setupCommands[first] || subscriptions[first]
}

// commandLen is frameLen for what a client sends, which may be a line of words instead.
func commandLen(b []byte) (int, error) {
	if b[0] == '*' {
		return frameLen(b)
	}
	if end := bytes.IndexByte(b, '\n'); end >= 0 {
		return end + 1, nil
	}
	return 0, errShort
}

// commandName returns a whole command's name in upper case, with the subcommand if it has one, and what
// follows it. The name is empty if there is no command, and so no reply.
func commandName(frame []byte) (name string, args [][]byte) {
	if frame[0] == '*' {
		v, _, err := parse(frame)
		if err != nil {
			return "", nil
		}
		list, _ := v.([]any)
		for _, arg := range list {
			text, _ := arg.(string)
			args = append(args, []byte(text))
		}
	} else {
		args = bytes.Fields(frame)
	}
	if len(args) == 0 {
		return "", nil
	}
	name = strings.ToUpper(string(args[0]))
	if containers[name] && len(args) > 1 {
		return name + " " + strings.ToUpper(string(args[1])), args[2:]
	}
	return name, args[1:]
}

// firstWord returns the first item of a list if it is a text, without reading the others.
func firstWord(frame []byte) string {
	_, n, err := readLine(frame)
	if err != nil || n == len(frame) {
		return ""
	}
	v, _, err := parse(frame[n:])
	if err != nil {
		return ""
	}
	text, _ := v.(string)
	return text
}
