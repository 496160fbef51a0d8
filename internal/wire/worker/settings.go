package worker

import (
	"encoding/json"
	"fmt"
)

// Settings is what HELLO tells a worker.
type Settings struct {
	Target      string `json:"target"`
	Static      bool   `json:"static,omitempty"` // READY is to say where static files are
	Directory   string `json:"directory"`
	Interface   string `json:"interface"`
	Threads     int    `json:"threads"`
	Concurrency int    `json:"concurrency"`
	Workers     int    `json:"workers"`
	Worker      int    `json:"worker"`
	Name        string `json:"name"`
	Slots       int    `json:"slots"`
	StreamInput bool   `json:"stream_input"`
	Twin        string `json:"twin"`
	Server      string `json:"server"`
	// PythonPath are folders for sys.path, Umask is octal, DisplayName what ps shows;
	// empty where there is none.
	PythonPath  []string `json:"python_path,omitempty"`
	Umask       string   `json:"umask,omitempty"`
	DisplayName string   `json:"display_name,omitempty"`
}

// Info is what READY tells the front.
type Info struct {
	Python         string `json:"python"`
	Implementation string `json:"implementation"`
	Twin           string `json:"twin"`
	Recall         bool   `json:"recall"`
	PID            int    `json:"pid"`
	Interface      string `json:"interface"`
	FreeThreaded   bool   `json:"free_threaded"`
	// Static is where the application has static files; none if Settings.Static is
	// false.
	Static []StaticFolder `json:"static"`
}

// StaticFolder is a folder of static files and the path, with a slash at both ends,
// that they have below the mount point.
type StaticFolder struct {
	URL    string `json:"url"`
	Folder string `json:"folder"`
}

// Failure is what FAILED tells the front.
type Failure struct {
	Phase     string `json:"phase"`
	Error     string `json:"error"`
	Traceback string `json:"traceback"`
}

// AppendHello writes a HELLO frame.
func AppendHello(dst []byte, s Settings) ([]byte, error) {
	p, err := json.Marshal(s)
	if err != nil {
		return dst, fmt.Errorf("writing the worker's settings: %w", err)
	}
	return AppendFrame(dst, Header{Type: Hello}, p), nil
}

// ParseInfo decodes the payload of READY.
func ParseInfo(p []byte) (Info, error) {
	var info Info
	if err := json.Unmarshal(p, &info); err != nil {
		return Info{}, malformed("READY: %v", err)
	}
	return info, nil
}

// ParseFailure decodes the payload of FAILED.
func ParseFailure(p []byte) (Failure, error) {
	var f Failure
	if err := json.Unmarshal(p, &f); err != nil {
		return Failure{}, malformed("FAILED: %v", err)
	}
	return f, nil
}
