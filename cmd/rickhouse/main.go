// Rickhouse serves Python web applications.
package main

import (
	"os"

	"rickhouse/internal/app"
	"rickhouse/internal/cli"
	"rickhouse/python"
)

func main() {
	os.Exit(cli.Main(cli.Process(python.Extensions(), app.Run)))
}
