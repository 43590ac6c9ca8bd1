package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// What a runtime can be chosen by.
const (
	ChooseAuto     = "auto"
	ChooseDocker   = "docker"
	ChooseEmbedded = "embedded"
)

const (
	autoPatience   = 2 * time.Second  // what is there answers much faster
	dockerPatience = 15 * time.Second // where it is required, it may be starting
)

// Auto makes the runtime that choice names. "auto" takes Docker when its
// engine answers within 2 s, else embedded. why says in one line what was
// taken and why.
func Auto(ctx context.Context, choice string, opt Options) (rt Runtime, why string, err error) {
	switch choice {
	case ChooseEmbedded:
		rt, err = NewEmbedded(opt)
		return rt, "runtime embedded: nodes run in this process", err
	case ChooseDocker:
		rt, err = newDockerWithin(ctx, dockerPatience, opt)
		if err != nil {
			return nil, "", fmt.Errorf("runtime docker: %s; start Docker, or set DOCKER_HOST to its engine, or take the embedded runtime", oneLine(err))
		}
		return rt, "runtime docker: " + rt.(*docker).describe(), nil
	case ChooseAuto, "":
		rt, err = newDockerWithin(ctx, autoPatience, opt)
		if err == nil {
			return rt, "runtime docker: " + rt.(*docker).describe(), nil
		}
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		why = "runtime embedded: " + oneLine(err)
		rt, err = NewEmbedded(opt)
		return rt, why, err
	}
	return nil, "", fmt.Errorf("runtime %q is unknown; give auto, docker or embedded", choice)
}

// ChoiceOf translates the words of CCDE_DOCKER: require, auto (or nothing)
// and off.
func ChoiceOf(word string) (string, error) {
	switch word {
	case "require":
		return ChooseDocker, nil
	case "auto", "":
		return ChooseAuto, nil
	case "off":
		return ChooseEmbedded, nil
	}
	return "", fmt.Errorf("CCDE_DOCKER=%q is unknown; give require, auto or off", word)
}

// newDockerWithin bounds the search for the engine, not what follows it.
func newDockerWithin(ctx context.Context, patience time.Duration, opt Options) (Runtime, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited %s", patience))
	defer cancel()
	rt, err := NewDocker(ctx, opt)
	if err != nil {
		return nil, err
	}
	return rt, nil
}

func (d *docker) describe() string {
	return fmt.Sprintf("engine %s answers at %s, each node gets a container", d.version, d.engine.DaemonHost())
}

// oneLine is an error's text in one line, without our own prefix and what
// testcontainers adds for itself.
func oneLine(err error) string {
	text := strings.TrimPrefix(err.Error(), "cluster: ")
	return strings.Join(strings.Fields(strings.TrimSuffix(text, ", failed to create Docker provider")), " ")
}
