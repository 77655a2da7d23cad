//go:build !race

package myghty

const raceDetector = false
