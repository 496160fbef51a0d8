package story

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"rickhouse/internal/testkit"
)

// proxied is a forward proxy, and servers that are reached through it.
type proxied struct {
	*testkit.Server
	t      *testing.T
	dir    string
	plain  *httptest.Server
	secure *httptest.Server
	ca     string // the file of secure's certificate
}

// forwardProxy serves a file: PORT stands for the port of the plain server. The test
// needs programs, and is skipped without them.
func forwardProxy(t *testing.T, config string, programs ...string) *proxied {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("there is no %s", name)
		}
	}
	p := &proxied{t: t, dir: t.TempDir()}
	mux := http.NewServeMux()
	mux.HandleFunc("/", show)
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	p.wheels(mux)
	if slices.Contains(programs, "git") {
		p.repository(mux)
	}
	p.plain, p.secure = httptest.NewServer(mux), httptest.NewTLSServer(mux)
	t.Cleanup(p.plain.Close)
	t.Cleanup(p.secure.Close)
	p.ca = p.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.secure.Certificate().Raw})))
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	p.write("users", "ann:"+string(hash)+"\nbob:"+string(hash)+"\n")
	_, port, _ := net.SplitHostPort(p.plain.Listener.Addr().String())
	p.write("rickhouse.toml", strings.ReplaceAll(config, "PORT", port))
	// The proxy takes the place of what start listens on.
	p.Server, err = testkit.Launch(testkit.Options{Binary: tools + "/rickhouse", Args: []string{"-b", "unix:" + shortPath(t)}, Dir: p.dir, Env: environment(p.dir)})
	if err == nil {
		err = p.Ready()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer p.Kill()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if err := p.Sane(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the log:\n%s", tail(p.Log.String()))
		}
	})
	return p
}

// shortPath is where a Unix socket may be.
func shortPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fp-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func (p *proxied) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// show answers with the request as it came.
func show(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Origin", "yes")
	_, _ = fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI)
	_ = r.Header.Write(w)
}

// wheels serves an index with one package.
func (p *proxied) wheels(mux *http.ServeMux) {
	var wheel bytes.Buffer
	z := zip.NewWriter(&wheel)
	for name, text := range map[string]string{
		"cask.py":                          "age = 12\n",
		"cask-1.0.dist-info/METADATA":      "Metadata-Version: 2.1\nName: cask\nVersion: 1.0\n",
		"cask-1.0.dist-info/WHEEL":         "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"cask-1.0.dist-info/RECORD":        "cask.py,,\ncask-1.0.dist-info/METADATA,,\ncask-1.0.dist-info/WHEEL,,\ncask-1.0.dist-info/RECORD,,\n",
		"cask-1.0.dist-info/top_level.txt": "cask\n",
	} {
		f, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		p.t.Fatal(err)
	}
	mux.HandleFunc("/simple/cask/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".whl") {
			w.Header().Set("Content-Type", "application/zip")
			_, _ = w.Write(wheel.Bytes())
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!DOCTYPE html><a href="cask-1.0-py3-none-any.whl">cask-1.0-py3-none-any.whl</a>`)
	})
}

// repository serves an empty repository of git, which may be pushed to.
func (p *proxied) repository(mux *http.ServeMux) {
	root := filepath.Join(p.dir, "git")
	p.git("init", "-q", "--bare", filepath.Join(root, "repo.git"))
	p.git("-C", filepath.Join(root, "repo.git"), "config", "http.receivepack", "true")
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	mux.Handle("/git/", &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Root: "/git",
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: io.Discard,
	})
}

// git runs git, without what the user has set.
func (p *proxied) git(args ...string) {
	p.t.Helper()
	if out, err := p.command("git", args...).CombinedOutput(); err != nil {
		p.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (p *proxied) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	for _, v := range os.Environ() {
		if key, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToLower(key), "_proxy") && !strings.HasPrefix(key, "GIT_") && !strings.HasPrefix(key, "PIP_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "HOME="+p.dir,
		"PIP_CONFIG_FILE=/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1")
	return cmd
}

// curl runs curl through the proxy, and returns what it says to -i.
func (p *proxied) curl(args ...string) string {
	p.t.Helper()
	cmd := p.command("curl", append([]string{"-sS", "-i", "--max-time", "60", "-x", p.URL, "--cacert", p.ca}, args...)...)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if err != nil {
		failed, _ = err.(*exec.ExitError)
		if failed == nil {
			p.t.Fatal(err)
		}
	}
	return strings.ReplaceAll(string(out), "\r", "")
}

// withUser is the proxy's URL with a name and password.
func (p *proxied) withUser(user string) string {
	return strings.Replace(p.URL, "http://", "http://"+user+"@", 1)
}

// logged waits for a line of the log that matches.
func (p *proxied) logged(pattern string) {
	p.t.Helper()
	if _, err := p.Log.Wait(pattern, 1, testkit.Patience); err != nil {
		p.t.Error(err)
	}
}

// raw opens a connection to the proxy.
func (p *proxied) raw() *testkit.Raw {
	p.t.Helper()
	r, err := p.Raw()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = r.Close() })
	return r
}

// tunnel opens a tunnel to an address, or returns the status there is in its
// place.
func (p *proxied) tunnel(address string) (*net.TCPConn, *bufio.Reader, int) {
	p.t.Helper()
	r := p.raw()
	if err := r.Send("CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n"); err != nil {
		p.t.Fatal(err)
	}
	buffered := bufio.NewReader(r.Conn)
	res, err := http.ReadResponse(buffered, &http.Request{Method: http.MethodConnect})
	if err != nil {
		p.t.Fatal(err)
	}
	return r.Conn.(*net.TCPConn), buffered, res.StatusCode
}

// listener runs serve on each connection to a port of the loopback.
func listener(t *testing.T, serve func(c *net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(testkit.Patience))
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	return ln.Addr().String()
}
