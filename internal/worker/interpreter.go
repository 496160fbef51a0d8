package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Interpreter finds the Python to run an application with: python names a
// virtual environment or an interpreter; if it is empty, VIRTUAL_ENV, then .venv
// or venv in directory, then python3 on PATH. getenv is os.Getenv or a stand-in.
func Interpreter(python, directory string, getenv func(string) string) (string, error) {
	if python != "" {
		return namedInterpreter(python, directory)
	}
	if env := getenv("VIRTUAL_ENV"); env != "" {
		p, err := inEnvironment(env)
		if err != nil {
			return "", fmt.Errorf("VIRTUAL_ENV is %s, but %w: activate another environment or give --python", env, err)
		}
		return p, nil
	}
	for _, name := range []string{".venv", "venv"} {
		dir := filepath.Join(directory, name)
		p, err := inEnvironment(dir)
		switch {
		case err == nil:
			return p, nil
		case errors.Is(err, errBroken):
			return "", fmt.Errorf("%s is a virtual environment, but %w: make it again, or give --python", dir, err)
		}
	}
	p, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("no Python found: there is no VIRTUAL_ENV, no .venv or venv in %s and no python3 on PATH: give --python", directory)
	}
	return filepath.Abs(p)
}

func namedInterpreter(python, directory string) (string, error) {
	path := python
	if !filepath.IsAbs(path) {
		path = filepath.Join(directory, path)
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) && filepath.Base(python) == python {
		if found, lookErr := exec.LookPath(python); lookErr == nil {
			return filepath.Abs(found)
		}
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("no interpreter or virtual environment at %s: %w", path, err)
	case info.IsDir():
		p, err := inEnvironment(path)
		if err != nil {
			return "", fmt.Errorf("%s is not a virtual environment: %w", path, err)
		}
		return p, nil
	case info.Mode()&0o111 == 0:
		return "", fmt.Errorf("%s cannot be executed", path)
	}
	return path, nil
}

// errBroken: the Python that a virtual environment was made with has gone, as after
// an upgrade, or the environment was made on another machine.
var errBroken = errors.New("its bin/python leads to nothing")

func inEnvironment(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"python", "python3"} {
		p := filepath.Join(dir, "bin", name)
		if info, err := os.Stat(p); err == nil && !info.IsDir() {
			return p, nil
		}
		if to, err := os.Readlink(p); err == nil {
			return "", fmt.Errorf("%w (%s)", errBroken, to)
		}
	}
	return "", errors.New("there is no bin/python in it")
}
