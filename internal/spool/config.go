package spool

import (
	"fmt"
	"os"

	"rickhouse/internal/units"
)

// Config says where and how much is spooled. The zero value of a field means
// its default.
type Config struct {
	Directory string     `toml:"spool_directory" reload:"live" default:"" help:"Folder of the temporary files; empty means TMPDIR, else /tmp."`
	Memory    units.Size `toml:"spool_memory" reload:"live" default:"64KiB" help:"How much of a request body or an answer is kept in memory before a file takes it."`
	MaxAnswer units.Size `toml:"spool_max" reload:"live" default:"1GiB" help:"How far an answer may run ahead of its client before the application has to wait; at most spool_quota."`
	Quota     units.Size `toml:"spool_quota" reload:"live" default:"4GiB" help:"How much all temporary files may take together; a request that needs more gets 507."`
}

// WithDefaults returns c with zero fields replaced.
func (c Config) WithDefaults() Config {
	if c.Directory == "" {
		c.Directory = os.TempDir()
	}
	if c.Memory == 0 {
		c.Memory = 64 * units.KiB
	}
	if c.Quota == 0 {
		c.Quota = 4 * units.GiB
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = min(units.GiB, c.Quota)
	}
	return c
}

// Validate reports what is wrong with c. It looks at no disk: NewStore does.
func (c Config) Validate() error {
	for _, size := range []struct {
		key   string
		value units.Size
	}{{"spool_memory", c.Memory}, {"spool_max", c.MaxAnswer}, {"spool_quota", c.Quota}} {
		if size.value < 0 {
			return fmt.Errorf("%s is negative: give a size, as in 64KiB", size.key)
		}
	}
	if d := c.WithDefaults(); d.MaxAnswer > d.Quota {
		return fmt.Errorf("spool_max (%v) is larger than spool_quota (%v): no answer could take that much; lower the one or raise the other", d.MaxAnswer, d.Quota)
	}
	return nil
}

// Try reports what is wrong with c, and makes sure that temporary files can be made.
func (c Config) Try() error {
	if err := c.Validate(); err != nil {
		return err
	}
	f, err := temporary(c.WithDefaults().Directory)
	if err != nil {
		return fmt.Errorf("%w: spool_directory must be a folder that rickhouse may write to", err)
	}
	_ = f.Close()
	return nil
}
