//go:build !race

package albatross

const raceDetector = false
