//go:build !race

package webkit

const raceDetector = false
