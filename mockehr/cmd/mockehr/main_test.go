package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func config(address string) string {
	return `{"name":"a","root":"http://` + address + `","listen":"` + address + `","consumer":"person-bearer","admin":"admin-bearer"}`
}

// runUntilReady runs the command and returns once it has said that it answers.
func runUntilReady(t *testing.T, ctx context.Context, args []string, env string, stdin io.Reader) (ready string, logs *bytes.Buffer, status chan int) {
	r, w := io.Pipe()
	logs, status = &bytes.Buffer{}, make(chan int, 1)
	go func() {
		status <- run(ctx, args, env, stdin, w, logs)
		_ = w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	return line, logs, status
}

func exitOf(t *testing.T, status chan int) int {
	select {
	case s := <-status:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
		return -1
	}
}

func TestServesUntilItIsTold(t *testing.T) {
	address := freeAddress(t)
	file := filepath.Join(t.TempDir(), "node.json")
	require.NoError(t, os.WriteFile(file, []byte(config(address)), 0o600))
	ctx, stop := context.WithCancel(t.Context()) // a signal ends it in main
	defer stop()
	ready, logs, status := runUntilReady(t, ctx, []string{"--config", file}, "ignored", nil)
	assert.Equal(t, "mockehr a ready at http://"+address+"/r3\n", ready)
	response, err := http.Get("http://" + address + "/r3/metadata")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusOK, response.StatusCode)
	stop()
	assert.Equal(t, exitOK, exitOf(t, status))
	assert.Contains(t, logs.String(), `"msg":"ready"`)
	assert.NotContains(t, logs.String(), "-bearer")
	_, err = net.Dial("tcp", address)
	assert.Error(t, err)
}

func TestEndsWithItsInput(t *testing.T) {
	stdin, parent := io.Pipe()
	_, _, status := runUntilReady(t, t.Context(), []string{"--until-eof"}, config(freeAddress(t)), stdin)
	_, err := io.WriteString(parent, "what is written is ignored")
	require.NoError(t, err)
	require.NoError(t, parent.Close())
	assert.Equal(t, exitOK, exitOf(t, status))
}

func TestSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for name, c := range map[string]struct {
		args   []string
		env    string
		stdin  string
		status int
		says   string
	}{
		"nothing":            {nil, "", "", exitUsage, "give --config FILE or set MOCKEHR_CONFIG"},
		"unknown flag":       {[]string{"--fast"}, "{}", "", exitUsage, "-fast"},
		"an argument":        {[]string{"up"}, "{}", "", exitUsage, `unexpected argument "up"`},
		"both want input":    {[]string{"--until-eof", "--config", "-"}, "", "", exitUsage, "standard input"},
		"bad level":          {[]string{"--log", "loud"}, "{}", "", exitUsage, "log"},
		"no such file":       {[]string{"--config", "/nowhere/node.json"}, "{}", "", exitUsage, "--config: open /nowhere/node.json"},
		"no JSON":            {nil, "{\n\n\"name\": x}", "", exitUsage, "MOCKEHR_CONFIG: line 3"},
		"wrong type":         {nil, "{\n\"name\": 7}", "", exitUsage, "line 2: field name: expected string, found number"},
		"unknown field":      {nil, `{"nome":"a"}`, "", exitUsage, `unknown field "nome"`},
		"two values":         {nil, `{} {}`, "", exitUsage, "more than one JSON value"},
		"empty input":        {[]string{"--config", "-"}, "", "", exitUsage, "standard input: empty"},
		"too large":          {[]string{"--config", "-"}, "", strings.Repeat(" ", maxConfig+1), exitUsage, "larger than"},
		"field missing":      {nil, strings.Replace(config("127.0.0.1:1"), `"a"`, `""`, 1), "", exitFailed, "name: missing"},
		"port taken":         {nil, config(taken.Addr().String()), "", exitFailed, "address already in use"},
		"a bearer stays out": {nil, `{"consumer":["s3cret"]}`, "", exitUsage, "field consumer: expected string, found array"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), c.args, c.env, strings.NewReader(c.stdin), &stdout, &stderr)
		assert.Equal(t, c.status, status, name)
		assert.Contains(t, stderr.String(), c.says, name)
		assert.NotContains(t, stderr.String(), "s3cret", name)
		assert.Empty(t, stdout.String(), name)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for arg, says := range map[string]string{"--help": "Usage: mockehr", "-h": "Usage: mockehr", "--version": "mockehr "} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitOK, run(t.Context(), []string{arg}, "", nil, &stdout, &stderr), arg)
		assert.Contains(t, stdout.String(), says)
		assert.Empty(t, stderr.String())
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(config("127.0.0.1:1")))
	f.Add([]byte(`{"settings":{"trust":[{"url":"http://a/b","keys":{"keys":[]}}],"updateEvery":"5m"}}`))
	f.Add([]byte("{\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parseConfig(text); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("an error of more than a line: %q", err)
		}
	})
}
