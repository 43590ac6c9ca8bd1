package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Labels on every container and network of ours. Together they name the
// process that owns it, so that a later run can tell what a dead one left.
const (
	labelRun   = "ccde.run"
	labelHost  = "ccde.host"
	labelPID   = "ccde.pid"
	labelStart = "ccde.start"
)

// owner is a process that started something in an engine. Host is the
// machine and, on Linux, the process namespace: a PID means nothing outside
// of it. Start is the process's start, since PIDs come again.
type owner struct {
	Run, Host string
	PID       int
	Start     string
}

// self is this process, with a fresh run.
func self() (owner, error) {
	host, err := os.Hostname()
	if err != nil {
		return owner{}, fmt.Errorf("cluster: host name: %w", err)
	}
	// "pid:[4026531836]"; not there but on Linux.
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		host += "#" + strings.Trim(strings.TrimPrefix(ns, "pid:"), "[]")
	}
	pid := os.Getpid()
	start, ok := processStart(pid)
	if !ok {
		return owner{}, fmt.Errorf("cluster: start time of process %d can't be read, so a later run could not tell what it left", pid)
	}
	return owner{Run: randomText()[:12], Host: host, PID: pid, Start: start}, nil
}

func (o owner) labels() map[string]string {
	return map[string]string{labelRun: o.Run, labelHost: o.Host, labelPID: strconv.Itoa(o.PID), labelStart: o.Start}
}

// ownerOf reads labels; ok is false where they are not ours, or not whole.
func ownerOf(labels map[string]string) (o owner, ok bool) {
	pid, err := strconv.Atoi(labels[labelPID])
	if err != nil || pid <= 0 || labels[labelRun] == "" || labels[labelHost] == "" || labels[labelStart] == "" {
		return owner{}, false
	}
	return owner{Run: labels[labelRun], Host: labels[labelHost], PID: pid, Start: labels[labelStart]}, true
}

// imageName is the repository of all node images.
const imageName = "ccde-mockehr"

// tag names the image of a binary for one owner. Each run has a tag of its
// own: taking it away leaves the image to the others, and the engine drops
// an image with its last tag.
func (o owner) tag(digest string) string {
	return fmt.Sprintf("%s:%s.%s.%d.%s.%s", imageName, digest, hostDigest(o.Host), o.PID, o.Start, o.Run)
}

// ownerOfTag reads such a tag. The owner's Host is only a digest here, as
// [hostDigest] makes it.
func ownerOfTag(tag string) (o owner, digest string, ok bool) {
	rest, found := strings.CutPrefix(tag, imageName+":")
	parts := strings.Split(rest, ".")
	if !found || len(parts) != 5 {
		return owner{}, "", false
	}
	pid, err := strconv.Atoi(parts[2])
	if err != nil || pid <= 0 {
		return owner{}, "", false
	}
	return owner{Run: parts[4], Host: parts[1], PID: pid, Start: parts[3]}, parts[0], true
}

func hostDigest(host string) string {
	sum := sha256.Sum256([]byte(host))
	return hex.EncodeToString(sum[:4])
}

// dead says that o's process lived here and is gone. me is this process;
// startOf finds the start of a living process.
func (o owner) dead(me owner, startOf func(pid int) (string, bool)) bool {
	if o.Run == me.Run || (o.Host != me.Host && o.Host != hostDigest(me.Host)) {
		return false
	}
	start, alive := startOf(o.PID)
	return !alive || start != o.Start
}
