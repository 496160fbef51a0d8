package cli

import (
	"os/exec"
	"strings"
	"testing"
)

func TestBashCompletes(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	_, script, _ := run(t, "completion", "bash")
	for line, want := range map[string]string{
		"rickhouse ser":                    "serve",
		"rickhouse ":                       "serve check reload version completion man help",
		"rickhouse serve --acc":            "--access-log",
		"rickhouse serve --access-log co":  "common combined",
		"rickhouse serve a:b --interface ": "auto wsgi asgi",
		"rickhouse completion z":           "zsh",
		"rickhouse help c":                 "check completion",
		"rickhouse serve -w ":              "",
	} {
		words := strings.Split(line, " ")
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = single(w)
		}
		program := script + "\nCOMP_WORDS=(" + strings.Join(quoted, " ") + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _rickhouse; echo \"${COMPREPLY[*]}\"\n"
		cmd := exec.Command(shell, "--norc", "--noprofile")
		cmd.Stdin = strings.NewReader(program)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: got %q, want %q (%v)", line, got, want, err)
		}
	}
}
