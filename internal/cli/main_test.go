package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rickhouse/internal/app"
	"rickhouse/internal/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain lets the scripts run the command line with a server that only says
// what it was asked to serve.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"rickhouse": func() { os.Exit(Main(Process([]string{"cpython-313-x86_64-linux-gnu"}, tell))) },
	})
}

// tell stands for the server.
func tell(cfg config.Server, env app.Environment) error {
	if env.Signals == nil || env.Version != Version {
		return errors.New("the environment is not complete")
	}
	a := cfg.Apps[0]
	fmt.Fprintf(env.Stdout, "bind=%s app=%s target=%s interface=%s directory=%s workers=%d threads=%d access=%s file=%s\n",
		strings.Join(cfg.General.Bind, ","), a.Name, a.Target(), a.Interface, filepath.Base(a.Directory), a.Workers, a.Threads, cfg.Telemetry.AccessLog, cfg.File)
	if env.Getenv("FAIL") != "" {
		return errors.New("the address is taken")
	}
	return nil
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}

// run runs a command line in an empty folder.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = Main(System{Args: args, Directory: t.TempDir(), Stdout: &out, Stderr: &err, Serve: tell})
	return status, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"app:app", "\"app:app\" is no command. To serve it, write\n\n    rickhouse serve app:app"},
		{"app.py", "\"app.py\" is no command. To serve it, write\n\n    rickhouse serve app.py"},
		{"sevre", `"sevre" is no command: did you mean serve?`},
		{"run", `"run" is no command: did you mean serve?`},
		{"validate", `"validate" is no command: did you mean check?`},
		{"zzz", `"zzz" is no command: there is serve, check, reload, version, completion, man`},
		{"-w 4 serve", `-w comes after a command, as in rickhouse serve -w`},
		{"help zzz", `"zzz" is no command: there is serve, check, reload, version, completion, man`},
		{"serve a:b c:d", `serve takes one TARGET, but got "a:b" and "c:d"`},
		{"serve a:b --worker 4", `unknown flag --worker: did you mean --workers?`},
		{"serve a:b --host 0.0.0.0", `unknown flag --host: write -b 0.0.0.0:8000`},
		{"serve a:b --port=80", `unknown flag --port: write -b 127.0.0.1:80, or -b :80 for all addresses`},
		{"serve a:b --uds /run/x.sock", `unknown flag --uds: write -b unix:/run/x.sock`},
		{"serve --factory a:b", `unknown flag --factory: write the parentheses, as in 'module:factory()'`},
		{"serve a:b --processes 4", `unknown flag --processes: write -w 4`},
		{"serve a:b --forwarded-allow-ips=*", `unknown flag --forwarded-allow-ips: set trusted_proxies in rickhouse.toml, to the addresses of the proxies`},
		{"serve a:b --no-access-log", `unknown flag --no-access-log: write --access-log off`},
		{"serve a:b --reload", `unknown flag --reload: this version does not reload on changes`},
		{"serve a:b --request-timeout 3", `unknown flag --request-timeout: set request_timeout in rickhouse.toml, or RICKHOUSE_REQUEST_TIMEOUT in the environment`},
		{"serve a:b -z", `unknown flag -z: see rickhouse serve --help`},
		{"check --zzzzzzzz", `unknown flag --zzzzzzzz: see rickhouse check --help`},
		{"serve -w", `-w needs a value: -w N`},
		{"serve --bind -w 4", `--bind needs a value: --bind ADDR`},
		{"serve --bind=", `the value of --bind is empty`},
		{"serve --help=yes", `--help takes no value`},
		{"check web", `check takes no arguments, but got "web"`},
		{"completion", `completion needs one of bash, zsh, fish`},
		{"completion tcsh", `completion takes one of bash, zsh, fish, not "tcsh"`},
		{"completion bash zsh", `completion takes one argument, but got "bash" and "zsh"`},
		{"serve a:b -w 1.5", `-w: "1.5" is not a whole number`},
		{"serve a:b --workers=-3", `--workers: -3 is not between 1 and 1024`},
		{"serve a:b --threads -3", `--threads: -3 is not between 1 and 128`},
		{"serve a:b -b localhost", `-b: "localhost" is not an address: the port is missing, as in localhost:8000`},
		{"serve a:b --tls auto", `--tls: nothing says which host names to get certificates for: set domains, or give routes a host`},
		{"serve a:b --interface cgi", `--interface: "cgi" is not wsgi, asgi or auto`},
		{"serve a:b --access-log full", `--access-log: "full" is not one of off, short, common, combined, json`},
		{"serve app.py", `TARGET: "app.py" is a file: write the module's name, as in "app:app"`},
		{"serve src/shop/app.py:web", `TARGET: "src/shop/app.py:web" is a file: write the module's name, as in "src.shop.app:web"`},
		{"serve a:b --dir nowhere", `--dir: there is no folder `},
		{"serve a:b -c nowhere.toml", `nowhere.toml: cannot be read: file does not exist`},
	} {
		status, stdout, stderr := run(t, strings.Fields(tt.args)...)
		if status != 2 || stdout != "" {
			t.Errorf("%s: status %d, output %q; want 2 and none", tt.args, status, stdout)
		}
		if want := "rickhouse: " + tt.want; stderr != want+"\n" && (!strings.HasSuffix(want, " ") || !strings.HasPrefix(stderr, want)) {
			t.Errorf("%s:\ngot  %swant %s", tt.args, stderr, want)
		}
	}
}

func TestServeFlags(t *testing.T) {
	for _, args := range []string{
		"serve m:a -b :1 -b :2 -w 3 --threads 4 --access-log json --interface wsgi",
		"serve -b=:1 --bind=:2 -w3 --threads=4 --access-log=json --interface=wsgi m:a",
		"serve -b :1 -b :2 -w=3 --threads 4 --access-log json --interface wsgi -- m:a",
		"serve m:a -w 9 -b :1 -w 3 --threads 4 --access-log json -b :2 --interface wsgi",
	} {
		status, stdout, stderr := run(t, strings.Fields(args)...)
		want := "bind=:1,:2 app=app target=m:a interface=wsgi directory="
		if status != 0 || stderr != "" || !strings.HasPrefix(stdout, want) || !strings.Contains(stdout, " workers=3 threads=4 access=json file=\n") {
			t.Errorf("%s: status %d\n%s%s", args, status, stdout, stderr)
		}
	}
}

func TestGolden(t *testing.T) {
	for name, args := range map[string]string{
		"summary": "help", "serve": "serve --help", "check": "check -h", "completion": "help completion",
		"bash": "completion bash", "zsh": "completion zsh", "fish": "completion fish", "man": "man",
	} {
		status, stdout, stderr := run(t, strings.Fields(args)...)
		if status != 0 || stderr != "" {
			t.Errorf("%s: status %d: %s", args, status, stderr)
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, []byte(stdout), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if stdout != string(want) {
			t.Errorf("%s is not %s; look at it, and if it is right: go test ./internal/cli -update", args, path)
		}
		if name != "summary" && name != "serve" && name != "check" && name != "completion" {
			continue
		}
		for l := range strings.Lines(stdout) {
			if len([]rune(l)) > width+1 {
				t.Errorf("%s: wider than %d columns: %s", args, width, l)
			}
		}
	}
}

func TestReferenceIsCurrent(t *testing.T) {
	var want bytes.Buffer
	if err := WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/cli.md is not what the commands say: run make generate")
	}
}

func TestBare(t *testing.T) {
	status, stdout, stderr := run(t)
	if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "Rickhouse serves Python web applications.") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}

func TestFlagsSetKeys(t *testing.T) {
	for _, f := range serveFlags() {
		if f.key != "" && f.help == "" {
			t.Errorf("--%s sets %s, which is no key", f.long, f.key)
		}
	}
}
