package storetest

// PromiseNames returns the names of all promises.
func PromiseNames() (names []string) {
	for _, p := range promises() {
		names = append(names, p.name)
	}
	return names
}
