//go:build !race

package webstack

const raceDetector = false
