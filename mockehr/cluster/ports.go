package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// portRange draws ports below the ephemeral range, where no outgoing
// connection takes one by chance: so a node that was killed gets its port
// back. A drawn port is held until it is released.
type portRange struct {
	low, high int // high is not part of it

	mu    sync.Mutex
	taken map[int]bool
}

const (
	lowestPort       = 20000
	defaultEphemeral = 32768 // Linux; others begin higher
	portTries        = 500
)

func newPortRange() *portRange {
	return &portRange{low: lowestPort, high: portCeiling(ephemeralStart()), taken: map[int]bool{}}
}

// ephemeralStart is the first port that the system hands out on its own.
func ephemeralStart() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return defaultEphemeral
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return defaultEphemeral
	}
	first, err := strconv.Atoi(fields[0])
	if err != nil {
		return defaultEphemeral
	}
	return first
}

// portCeiling keeps a range of some thousand ports, even on a machine whose
// ephemeral range begins so low that none is left below it.
func portCeiling(ephemeral int) int {
	if ephemeral < lowestPort+2000 {
		return defaultEphemeral
	}
	return min(ephemeral, 1<<16)
}

// draw takes a free port. host is the address it will be bound to; "" = all.
func (p *portRange) draw(host string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range portTries {
		port := p.low + rand.IntN(p.high-p.low)
		if p.taken[port] || !portFree(host, port) {
			continue
		}
		p.taken[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("cluster: no free port among %d tries between %d and %d; end other programs or clusters", portTries, p.low, p.high-1)
}

// drawPair draws a node's two ports; the control port always binds to loopback.
func (p *portRange) drawPair(host string) (Ports, error) {
	ehr, err := p.draw(host)
	if err != nil {
		return Ports{}, err
	}
	ctl, err := p.draw("127.0.0.1")
	if err != nil {
		p.release(Ports{EHR: ehr})
		return Ports{}, err
	}
	return Ports{EHR: ehr, Control: ctl}, nil
}

func (p *portRange) release(ports Ports) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, ports.EHR)
	delete(p.taken, ports.Control)
}

func portFree(host string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// isPortTaken finds the one start error that other ports can cure.
func isPortTaken(err error) bool {
	if errors.Is(err, ErrPortTaken) || isAddrInUse(err) {
		return true
	}
	if err == nil {
		return false
	}
	// The engine gives its reason as text only.
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}
