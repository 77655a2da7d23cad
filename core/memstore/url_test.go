package memstore

import (
	"strings"
	"testing"

	"github.com/holdover-web/holdover/core"
)

func TestOpenStore(t *testing.T) {
	for _, tt := range []struct {
		url     string
		want    Config
		wantErr string
	}{
		{"memory:", Config{}, ""},
		{"memory:?max_sessions=7&max_bytes=1000", Config{MaxSessions: 7, MaxBytes: 1000}, ""},
		{"memory:?max_sessions=-1", Config{}, "negative"},
		{"memory:?max_sessions=many", Config{}, "max_sessions"},
		{"memory:?max_seesions=many", Config{}, "no setting max_seesions"},
		{"memory:?max_bytes=%zz", Config{}, "invalid URL escape"},
		{"memory:somewhere", Config{}, "write memory:"},
		{"memory://host/", Config{}, "write memory:"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			st, err := core.OpenStore(t.Context(), tt.url)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("OpenStore: %v, want an error with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := st.(*Store).cfg; got != tt.want {
				t.Errorf("OpenStore gives %+v, want %+v", got, tt.want)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzParseURL(f *testing.F) {
	for _, url := range []string{"memory:", "memory:?max_sessions=7&max_bytes=1000", "memory:?max_bytes=%zz", "memory://x/y#z"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		cfg, err := parseURL(url)
		if err == nil && cfg.validate() != nil {
			t.Errorf("parseURL(%q) gives %+v, which New would refuse", url, cfg)
		}
	})
}
