// Package redistest starts real Redis servers for tests, and breaks them.
//
//	Start          one server
//	StartCluster   a Cluster: masters and replicas, fail-over, moving slots
//	StartSentinel  a master, its replicas and three sentinels
//	NewProxy       a TCP proxy that counts what passes and stalls, delays or cuts it
//
// Every process listens on a free port of 127.0.0.1, keeps its files in a folder of the test's, and is
// gone when the test ends. Nothing here touches a server that runs already. The programs are those of
// Redis 6.2 or later, or of Valkey; without them a test is skipped as package testenv says.
//
// Methods that return no error end the test when they fail, so they are called from its goroutine.
// Those that may be called from any goroutine say so.
package redistest
