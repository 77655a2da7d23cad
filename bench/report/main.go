// Report measures every peer of package bench and compares them with the goals that Holdover set
// itself:
//
//	go run ./report                      ten passes of 200 ms, about two and a half minutes
//	go run ./report -passes 3 -peers 'floor|scs' -ops read,write
//	go run ./report -redis               sessions in Redis, on a server that it starts
//
// On a shared machine identical code varies by a half between passes. So the peers take turns, pass by
// pass, and the best pass is what is compared; the median is shown beside it. Bytes and allocations
// are exact.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/holdover-web/holdover/bench"
)

func main() {
	if bench.Race() {
		return
	}
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	passes int
	time   time.Duration // of one measurement
	peers  *regexp.Regexp
	ops    []bench.Op
	disk   string // folder for what is synced
	redis  bool   // measure what keeps sessions in Redis, and nothing else
}

func parse(args []string, errs io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&s.passes, "passes", 10, "how often each `number` is measured")
	flags.DurationVar(&s.time, "time", 200*time.Millisecond, "how long one measurement takes")
	flags.StringVar(&s.disk, "disk", bench.Folder(bench.Disk), "`folder` on a disk, for the stores that sync")
	flags.BoolVar(&s.redis, "redis", false, "measure what keeps sessions in Redis, with a redis-server of its own")
	peers := flags.String("peers", "", "measure only the peers whose names match this `expression`")
	ops := flags.String("ops", "", "measure only these requests, such as `read,write`")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var err error
	if s.peers, err = regexp.Compile(*peers); err != nil {
		return s, err
	}
	s.ops = bench.Ops
	if *ops != "" {
		s.ops = nil
		for op := range strings.SplitSeq(*ops, ",") {
			s.ops = append(s.ops, bench.Op(op))
		}
	}
	return s, nil
}

func run(args []string, out, progress io.Writer) error {
	s, err := parse(args, progress)
	if err != nil {
		return err
	}
	if s.redis {
		return runRedis(s, usualAmounts, out, progress)
	}
	results, err := measure(s, progress)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s/%s, %d CPUs, %d passes of %v\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), s.passes, s.time)
	printTimes(out, results, s.ops)
	printMemory(out, results, s.ops)
	printGoals(out, results)
	return nil
}

// measure runs all passes. In each one every peer has its turn at every operation.
func measure(s settings, progress io.Writer) (results, error) {
	testing.Init()
	if err := flag.CommandLine.Parse([]string{"-test.benchtime=" + s.time.String()}); err != nil {
		return nil, err
	}
	var rs results
	for pass := range s.passes {
		fmt.Fprintf(progress, "\rpass %d of %d", pass+1, s.passes)
		for _, op := range s.ops {
			for _, p := range bench.Peers() {
				if !p.Measures(op) || !s.peers.MatchString(p.Name) {
					continue
				}
				base := bench.Folder(p.Medium)
				if p.Medium == bench.Disk {
					base = s.disk
				}
				r := testing.Benchmark(func(b *testing.B) { p.Bench(b, op, base) })
				if r.N == 0 {
					return nil, fmt.Errorf("%s does not work at /%s; go test says more", p.Name, op)
				}
				rs.add(p, op, sample{
					ns:     float64(r.T.Nanoseconds()) / float64(r.N),
					bytes:  r.AllocedBytesPerOp(),
					allocs: r.AllocsPerOp(),
				})
			}
		}
	}
	fmt.Fprintln(progress)
	return rs, nil
}
