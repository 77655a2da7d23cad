package history

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkLimit bounds the search for an order that explains a history.
const checkLimit = time.Minute

// Check returns nil if there is an order of the recorded calls that agrees with the times at which
// they were made and in which a store that keeps its contract answers as it was recorded. Otherwise
// it draws a picture of the history in the folder dir, and the error names it. All clients must have
// returned from their calls.
func (r *Recorder) Check(dir string) error {
	if err := r.unexpected(); err != nil {
		return fmt.Errorf("history: a call failed with an error that the contract does not explain: %w", err)
	}
	if fence := r.repeatedFence(); fence != 0 {
		return fmt.Errorf("history: fence %d was given out twice", fence)
	}
	return explain(sessions, r.ops, dir)
}

func explain(model porcupine.Model, ops []porcupine.Operation, dir string) error {
	result, info := porcupine.CheckOperationsVerbose(model, ops, checkLimit)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("history: no verdict on %d calls within %v; record fewer", len(ops), checkLimit)
	}
	picture := filepath.Join(dir, "history.html")
	if err := porcupine.VisualizePath(model, info, picture); err != nil {
		return fmt.Errorf("history: no order of the calls explains the answers, and drawing it failed: %w", err)
	}
	return fmt.Errorf("history: no order of the calls explains the answers; see %s (kept by go test -artifacts)", picture)
}
