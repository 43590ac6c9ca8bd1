// Command mockehr is one mock EHR: a node of a cluster, or one on its own.
//
// Its configuration is a JSON object (mockehr.Config), read from the file
// that --config names, else from the environment variable MOCKEHR_CONFIG. It
// writes one line to standard output once it answers, and structured logs to
// standard error. SIGTERM and SIGINT end it cleanly.
//
// Exit status: 0 ended as told, 1 failed, 2 bad usage or configuration.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"example.org/ccde/mockehr"
)

const (
	exitOK = iota
	exitFailed
	exitUsage
)

// configVariable is the only variable of the environment that is read.
const configVariable = "MOCKEHR_CONFIG"

// closeWithin bounds the end: requests under way get that long.
const closeWithin = 5 * time.Second

const usage = `mockehr is a mock EHR: source, target and CAVS of the CCDE protocol in one server.

Usage: mockehr [--config FILE] [--until-eof]

  --config FILE  the configuration, JSON; "-" is standard input
  --until-eof    end when standard input does
  --log LEVEL    debug, info (default), warn or error
  --version      print the version and end
  --help         print this and end

Without --config the configuration is the value of ` + configVariable + `. The least there is:

  {"name": "a", "root": "http://127.0.0.1:8080", "listen": "127.0.0.1:8080",
   "consumer": "bearer-of-the-person", "admin": "bearer-of-the-administrator"}
`

func main() {
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv(configVariable), os.Stdin, os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	config   string
	untilEOF bool
	level    slog.Level
	version  bool
}

func run(ctx context.Context, args []string, env string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "mockehr: %v\n\n%s", err, usage)
		return exitUsage
	case o.version:
		fmt.Fprintln(stdout, "mockehr "+version())
		return exitOK
	}
	cfg, err := readConfig(o.config, env, stdin)
	if err != nil {
		fmt.Fprintf(stderr, "mockehr: %v\n", err)
		return exitUsage
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: o.level}))
	if o.untilEOF {
		ctx = untilEOF(ctx, stdin)
	}
	if err := serve(ctx, cfg, log, stdout); err != nil {
		log.Error("failed", "node", cfg.Name, "error", err.Error())
		return exitFailed
	}
	return exitOK
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mockehr", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&o.config, "config", "", "")
	flags.BoolVar(&o.untilEOF, "until-eof", false, "")
	flags.BoolVar(&o.version, "version", false, "")
	flags.TextVar(&o.level, "log", slog.LevelInfo, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.untilEOF && o.config == "-" {
		return o, errors.New("--until-eof and --config - both want standard input; put the configuration into a file or into " + configVariable)
	}
	return o, nil
}

// serve runs a node until ctx ends.
func serve(ctx context.Context, cfg mockehr.Config, log *slog.Logger, stdout io.Writer) error {
	server, err := mockehr.New(cfg, log)
	if err != nil {
		return err
	}
	err = server.Start(context.WithoutCancel(ctx))
	if err == nil {
		debug.FreeOSMemory() // what starting took is given back
		fmt.Fprintf(stdout, "mockehr %s ready at %s/r3\n", cfg.Name, cfg.Root)
		log.Info("ready", "node", cfg.Name, "root", cfg.Root, "version", version())
		<-ctx.Done()
		log.Info("ending", "node", cfg.Name)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return errors.Join(err, server.Close(closing))
}

// untilEOF ends with ctx or with r: a parent that dies closes the pipe, also
// on kill -9.
func untilEOF(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, r) // an error ends it just as well
	}()
	return ctx
}

// tuneMemory keeps an idle node small: a heap of few megabytes grows by half
// before it is collected, instead of doubling. Whoever sets GOGC knows better.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// version is the module's, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
