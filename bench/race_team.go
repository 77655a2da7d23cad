package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// team is a crew at work, in this process or another one.
type team interface {
	ready() error          // returns when it waits to begin
	begin()                // has it begin
	wait() (effort, error) // returns when it is done
	dismiss()              // ends it, wherever it is
}

// local is a team of this process.
type local struct {
	waiting, started chan struct{}
	done             chan result
}

type result struct {
	Effort effort
	Err    string `json:",omitempty"`
}

func (r result) unpack() (effort, error) {
	if r.Err != "" {
		return effort{}, errors.New(r.Err)
	}
	return r.Effort, nil
}

func (c crew) run(ready func() error) result {
	e, err := c.work(ready)
	if err != nil {
		return result{Err: err.Error()}
	}
	return result{Effort: e}
}

func (c crew) here() team {
	t := &local{make(chan struct{}), make(chan struct{}), make(chan result, 1)}
	go func() {
		t.done <- c.run(func() error {
			close(t.waiting)
			if _, begun := <-t.started; !begun {
				return errDismissed
			}
			return nil
		})
	}()
	return t
}

func (t *local) ready() error {
	select {
	case <-t.waiting:
		return nil
	case r := <-t.done:
		_, err := r.unpack()
		return err
	}
}

func (t *local) begin() { t.started <- struct{}{} }

func (t *local) wait() (effort, error) { return (<-t.done).unpack() }

func (t *local) dismiss() { close(t.started) }

// raceEnv tells a process that it is to race, and as which crew.
const raceEnv = "HOLDOVER_BENCH_CREW"

// remote is a team of another process, which runs the same program. It gets a line when it is to begin, and
// writes one when it is ready and one with its result.
type remote struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (c crew) elsewhere() (team, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	t := &remote{cmd: exec.Command(self)}
	t.cmd.Env = append(os.Environ(), raceEnv+"="+string(order))
	t.cmd.Stderr = os.Stderr
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	return t, t.cmd.Start()
}

func (t *remote) ready() error {
	line, err := t.out.ReadString('\n')
	if err != nil {
		return err
	}
	if line == readyLine {
		return nil
	}
	var r result
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return err
	}
	return fmt.Errorf("not ready: %s", r.Err)
}

func (t *remote) begin() { _, _ = io.WriteString(t.in, "begin\n") } // wait sees it if that failed

func (t *remote) wait() (effort, error) {
	var r result
	if err := json.NewDecoder(t.out).Decode(&r); err != nil {
		return effort{}, err
	}
	return r.unpack()
}

func (t *remote) dismiss() {
	_ = t.in.Close()
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
}

const readyLine = "ready\n"

// Race is what a program that runs races across processes calls first. In a process that was started to race it
// does so and reports true: the program then ends.
func Race() bool {
	order := os.Getenv(raceEnv)
	if order == "" {
		return false
	}
	var c crew
	if err := json.Unmarshal([]byte(order), &c); err != nil {
		fmt.Fprintln(os.Stderr, raceEnv+":", err)
		return true
	}
	r := c.run(func() error {
		if _, err := io.WriteString(os.Stdout, readyLine); err != nil {
			return err
		}
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return err
	})
	_ = json.NewEncoder(os.Stdout).Encode(r)
	return true
}
