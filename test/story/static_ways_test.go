package story

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWaysOutOfAFolder sends targets as they are, past any client that would tidy
// them up. None may show what lies outside, or is hidden.
func TestWaysOutOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"public/a.txt": "public", "public/sub/b.txt": "public", "public/.env": "SECRET", "public/.git/config": "SECRET",
		"secret.txt": "SECRET", "public-old/c.txt": "SECRET", "public/..data/d.txt": "SECRET",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	home := application(t, map[string]string{"rickhouse.toml": fmt.Sprintf("[[routes]]\npath = \"/s/*\"\nfiles = %q\n", filepath.Join(dir, "public"))})
	s := start(t, home)
	for _, tt := range []struct{ target, status string }{
		{"/s/a.txt", "200"},
		{"/s/sub/../a.txt", "200"},
		{"/s/%61.txt", "200"},
		{"/x/../s/a.txt", "200"},
		{"/s/../secret.txt", "404"},
		{"/s/%2e%2e/secret.txt", "404"},
		{"/s/%2e%2e%2fsecret.txt", "404"},
		{"/s/..%2Fsecret.txt", "404"},
		{"/s/.%2e/secret.txt", "404"},
		{"/s/sub/../../secret.txt", "404"},
		{"/s/sub/..%2f..%2fsecret.txt", "404"},
		{"/s/../public-old/c.txt", "404"},
		{"/s/%252e%252e/secret.txt", "404"},
		{"/s/..%252fsecret.txt", "404"},
		{"/s/..%5csecret.txt", "404"},
		{"/s/..\\secret.txt", "404"},
		{"/s/%c0%ae%c0%ae/secret.txt", "404"},
		{"/s/%c0%ae%c0%ae%c0%afsecret.txt", "404"},
		{"/s/%e0%80%ae%e0%80%ae/secret.txt", "404"},
		{"/s/%uff0e%uff0e/secret.txt", "400|404"},
		{"/s/....//secret.txt", "404"},
		{"/s/..;/secret.txt", "404"},
		{"/s/..%00/secret.txt", "400|404"},
		{"/s/a.txt%00.png", "400|404"},
		{"/s//../secret.txt", "404"},
		{"/s//etc/passwd", "404"},
		{"/s/%2fetc%2fpasswd", "404"},
		{"/s/file:///etc/passwd", "404"},
		{"/s/a.txt::$DATA", "404"},
		{"/s/a.txt/..", "404"},
		{"/s/a.txt/../../secret.txt", "404"},
		{"/s/.env", "404"},
		{"/s/%2eenv", "404"},
		{"/s/.git/config", "404"},
		{"/s/sub/%2e%2e/.git/config", "404"},
		{"/s/..data/d.txt", "404"},
		{"/../../../../../../etc/passwd", "404|400"},
		{"http://h/s/../secret.txt", "404"},
		{"http://h/s/a.txt", "200"},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			got, _ := answerOf(t, s.Dial, "", method, tt.target, nil)
			status, _, _ := strings.Cut(got, "\n")
			if !strings.Contains("|"+tt.status+"|", "|"+status+"|") || strings.Contains(got, "SECRET") || strings.Contains(got, "root:") {
				t.Errorf("%s %s: %.200s, want %s", method, tt.target, got, tt.status)
			}
		}
	}
}
