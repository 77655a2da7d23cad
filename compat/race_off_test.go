//go:build !race

package compat_test

const raceDetector = false
