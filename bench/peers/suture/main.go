// SPDX-License-Identifier: MIT
//
// usage: suture WORK N [SERVICES]
//
// suture v4 in the race: the works of bench/peers/works.lua in Go. A time is the processor time of all threads, or that
// on the wall if it is less. GOMAXPROCS says how many processors it may use.
package main

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/thejerf/suture/v4"
)

type service struct {
	name string
	run  func(ctx context.Context) error
}

func (s *service) Serve(ctx context.Context) error { return s.run(ctx) }
func (s *service) String() string                  { return s.name }

type clock struct{ cpu, wall float64 }

func cpu() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

var started = time.Now()

func begin() clock { return clock{cpu(), time.Since(started).Seconds()} }

func (c clock) took() float64 {
	now := begin()
	return math.Min(now.cpu-c.cpu, now.wall-c.wall)
}

func figure(name string, value float64) { fmt.Printf("%s %.9g\n", name, value) }

func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var total, pages float64
	fmt.Sscan(string(text), &total, &pages)
	return pages * 4096
}

type root struct {
	sup    *suture.Supervisor
	cancel context.CancelFunc
	ended  <-chan error
}

func supervisor(name string, hook suture.EventHook) *suture.Supervisor {
	return suture.New(name, suture.Spec{EventHook: hook, FailureThreshold: math.Inf(1)})
}

func serve(hook suture.EventHook) root {
	ctx, cancel := context.WithCancel(context.Background())
	sup := supervisor("bench", hook)
	return root{sup, cancel, sup.ServeBackground(ctx)}
}

func (r root) stop() {
	r.cancel()
	<-r.ended
}

func silent(suture.Event) {}

func idle(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func crowd(n int) root {
	r := serve(silent)
	all := make(chan bool)
	var begun int64
	run := func(ctx context.Context) error {
		if atomic.AddInt64(&begun, 1) == int64(n) {
			close(all)
		}
		return idle(ctx)
	}
	for i := 1; i <= n; i++ {
		r.sup.Add(&service{"service-" + strconv.Itoa(i), run})
	}
	<-all
	return r
}

func add(n, _ int) {
	crowd(1000).stop()
	runtime.GC()
	began := begin()
	crowd(n)
	figure("per_second", float64(n)/began.took())
}

func bytes(n, _ int) {
	debug.FreeOSMemory()
	before := resident()
	crowd(n)
	debug.FreeOSMemory()
	figure("bytes", (resident()-before)/float64(n))
}

func stop(n, _ int) {
	crowd(1000).stop()
	r := crowd(n)
	runtime.GC()
	began := begin()
	r.stop()
	figure("per_second", float64(n)/began.took())
}

// Runs services until they have ended n times together, and gives the seconds.
func ends(n, services int, hook suture.EventHook, finish func() error) float64 {
	r := serve(hook)
	all := make(chan bool)
	left, settled := int64(n), int64(0)
	run := func(ctx context.Context) error {
		if atomic.AddInt64(&left, -1) >= 0 {
			return finish()
		}
		if atomic.AddInt64(&settled, 1) == int64(services) {
			close(all)
		}
		return idle(ctx)
	}
	began := begin()
	for i := 1; i <= services; i++ {
		r.sup.Add(&service{"service-" + strconv.Itoa(i), run})
	}
	<-all
	took := began.took()
	r.stop()
	return took
}

//go:noinline
func parse() error { panic("out of luck") }

//go:noinline
func handle() error { return parse() }

//go:noinline
func fail() error { return handle() }

func panics(n, services int) {
	var told, read int64
	hook := func(event suture.Event) {
		if e, ok := event.(suture.EventServicePanic); ok {
			atomic.AddInt64(&told, 1)
			atomic.AddInt64(&read, int64(len(e.PanicMsg)+len(e.Stacktrace)))
		}
	}
	ends(services+1000, services, hook, fail)
	took := ends(n, services, hook, fail)
	if told != int64(n+services+1000) || read < 100*told {
		panic("events are missing")
	}
	figure("per_second", float64(n)/took)
}

func plainEnd(n, services int) {
	var told int64
	hook := func(event suture.Event) {
		if event.Type() == suture.EventTypeServiceTerminate {
			atomic.AddInt64(&told, 1)
		}
	}
	finish := func() error { return nil }
	ends(1000, services, hook, finish)
	took := ends(n, services, hook, finish)
	if told != int64(n+1000) {
		panic("events are missing")
	}
	figure("per_second", float64(n)/took)
}

func trees(leaves int, build func(leaf *service) suture.Service) {
	plant := func() (float64, float64) {
		all := make(chan bool)
		var begun int64
		leaf := &service{"leaf", func(ctx context.Context) error {
			if atomic.AddInt64(&begun, 1) == int64(leaves) {
				close(all)
			}
			return idle(ctx)
		}}
		runtime.GC()
		began := begin()
		r := serve(silent)
		r.sup.Add(build(leaf))
		<-all
		start := began.took()
		standing := begin()
		r.stop()
		return start, standing.took()
	}
	const times = 5
	plant()
	start, stop := 0.0, 0.0
	for i := 0; i < times; i++ {
		a, b := plant()
		start, stop = start+a, stop+b
	}
	figure("start_ms", start/times*1e3)
	figure("stop_ms", stop/times*1e3)
}

func chain(n, _ int) {
	trees(1, func(leaf *service) suture.Service {
		var below suture.Service = leaf
		for i := n; i >= 1; i-- {
			sup := supervisor("level-"+strconv.Itoa(i), silent)
			sup.Add(below)
			below = sup
		}
		return below
	})
}

func wide(n, _ int) {
	var build func(leaf *service, level int) suture.Service
	build = func(leaf *service, level int) suture.Service {
		if level == n {
			return leaf
		}
		sup := supervisor("level-"+strconv.Itoa(level), silent)
		for i := 0; i < 3; i++ {
			sup.Add(build(leaf, level+1))
		}
		return sup
	}
	trees(int(math.Pow(3, float64(n-1))), func(leaf *service) suture.Service { return build(leaf, 1) })
}

func sleepers(n, _ int) {
	const measured = 16
	wakeups := make([]int64, n)
	late := make([][]float64, n)
	var on int32
	r := serve(silent)
	for i := 0; i < n; i++ {
		i, dice := i, rand.New(&lcg{uint64(i)})
		r.sup.Add(&service{"service-" + strconv.Itoa(i), func(ctx context.Context) error {
			for {
				span := time.Millisecond + time.Duration(dice.Float64()*99e6)
				if i%measured != 0 {
					time.Sleep(span)
				} else {
					due := time.Now().Add(span)
					time.Sleep(span)
					if atomic.LoadInt32(&on) == 1 {
						late[i] = append(late[i], time.Since(due).Seconds())
					}
				}
				atomic.AddInt64(&wakeups[i], 1)
			}
		}})
	}
	sum := func() (all int64) {
		for i := range wakeups {
			all += atomic.LoadInt64(&wakeups[i])
		}
		return
	}
	time.Sleep(500 * time.Millisecond)
	atomic.StoreInt32(&on, 1)
	before, began := sum(), begin()
	time.Sleep(5 * time.Second)
	took, used := began.took(), cpu()-began.cpu
	count := float64(sum() - before)
	atomic.StoreInt32(&on, 0)
	time.Sleep(300 * time.Millisecond)
	var all []float64
	for _, some := range late {
		all = append(all, some...)
	}
	sort.Float64s(all)
	figure("per_second", count/took)
	figure("cpu_us", used/count*1e6)
	figure("p99_ms", all[int(float64(len(all))*0.99)]*1e3)
}

// Eight bytes of random state for each sleeper: Go's own source takes five thousand.
type lcg struct{ state uint64 }

func (l *lcg) Seed(seed int64) { l.state = uint64(seed) }
func (l *lcg) Int63() int64 {
	l.state = l.state*6364136223846793005 + 1442695040888963407
	return int64(l.state >> 1)
}

func pingpong(n, _ int) {
	play := func(count int) {
		r := serve(silent)
		ping, pong, all := make(chan int), make(chan int), make(chan bool)
		r.sup.Add(&service{"pong", func(ctx context.Context) error {
			for i := 0; i < count; i++ {
				ping <- <-pong + 1
			}
			return idle(ctx)
		}})
		r.sup.Add(&service{"ping", func(ctx context.Context) error {
			ball := 0
			for i := 0; i < count; i++ {
				pong <- ball
				ball = <-ping
			}
			close(all)
			return idle(ctx)
		}})
		<-all
		r.stop()
	}
	play(1000)
	began := begin()
	play(n)
	figure("per_second", float64(n)/began.took())
}

func yield(n, services int) {
	play := func(each int) {
		r := serve(silent)
		all := make(chan bool)
		var done int64
		for i := 0; i < services; i++ {
			r.sup.Add(&service{"service-" + strconv.Itoa(i), func(ctx context.Context) error {
				for i := 0; i < each; i++ {
					runtime.Gosched()
				}
				if atomic.AddInt64(&done, 1) == int64(services) {
					close(all)
				}
				return idle(ctx)
			}})
		}
		<-all
		r.stop()
	}
	play(100)
	began := begin()
	play(n / services)
	figure("per_second", float64(n)/began.took())
}

func idling(n, _ int) {
	crowd(n)
	time.Sleep(100 * time.Millisecond)
	began := cpu()
	time.Sleep(5 * time.Second)
	figure("cpu_ms", (cpu()-began)*1e3)
}

func cold(_, _ int) { crowd(1) }

func main() {
	works := map[string]func(n, services int){
		"add": add, "bytes": bytes, "stop": stop, "panic": panics, "plain-end": plainEnd, "chain": chain, "wide": wide,
		"sleepers": sleepers, "pingpong": pingpong, "yield": yield, "idle": idling, "cold": cold,
	}
	n, services := 0, 1
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) > 3 {
		services, _ = strconv.Atoi(os.Args[3])
	}
	work := works[os.Args[1]]
	if work == nil {
		fmt.Fprintln(os.Stderr, "no work is called "+os.Args[1])
		os.Exit(2)
	}
	work(n, services)
}
