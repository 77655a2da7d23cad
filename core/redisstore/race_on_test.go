//go:build race

package redisstore_test

// Under the race detector sync.Pool drops things at random, so allocations are not counted.
const raceDetector = true
