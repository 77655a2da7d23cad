//go:build race

package albatross

// Under the race detector sync.Pool drops things at random, so allocations are not counted.
const raceDetector = true
