package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("say which load: open, idle, ws or sse")
	}
	out := json.NewEncoder(os.Stdout)
	switch args[0] {
	case "open":
		var cfg openConfig
		if err := openFlags(&cfg).Parse(args[1:]); err != nil {
			return err
		}
		return out.Encode(runOpen(cfg))
	case "ws", "sse":
		var cfg streamConfig
		if err := streamFlags(args[0], &cfg).Parse(args[1:]); err != nil {
			return err
		}
		if args[0] == "ws" {
			return out.Encode(runStreams(cfg, openSocket, echo))
		}
		return out.Encode(runStreams(cfg, openEvents, countEvents))
	case "idle":
		var cfg idleConfig
		if err := idleFlags(&cfg).Parse(args[1:]); err != nil {
			return err
		}
		return runIdle(cfg, os.Stdin, out.Encode)
	}
	return fmt.Errorf("no load is called %q: open, idle, ws or sse", args[0])
}

func openFlags(cfg *openConfig) *flag.FlagSet {
	f := flag.NewFlagSet("open", flag.ContinueOnError)
	f.StringVar(&cfg.Addr, "addr", "", "host:port of the server")
	f.Float64Var(&cfg.Rate, "rate", 100, "requests a second")
	f.DurationVar(&cfg.Length, "length", 0, "how long requests fall due")
	f.Float64Var(&cfg.SlowShare, "slow-share", 0, "share of requests to /slow, 0 to 1")
	f.Uint64Var(&cfg.Seed, "seed", 1, "decides which requests are slow")
	f.IntVar(&cfg.Conns, "conns", 64, "connections at most")
	f.IntVar(&cfg.Workers, "workers", 1, "workers of the ideal queue")
	f.DurationVar(&cfg.FastTime, "fast", 0, "time of a fast request, for the ideal queue")
	f.DurationVar(&cfg.SlowTime, "slow", 0, "time of a slow request, for the ideal queue")
	return f
}

func idleFlags(cfg *idleConfig) *flag.FlagSet {
	f := flag.NewFlagSet("idle", flag.ContinueOnError)
	f.StringVar(&cfg.Addr, "addr", "", "host:port of the server")
	f.IntVar(&cfg.N, "n", 10000, "connections")
	f.IntVar(&cfg.Header, "header", 1024, "octets of one extra field")
	f.StringVar(&cfg.Want, "want", "Hello, World!", "the content of the right answer")
	return f
}
