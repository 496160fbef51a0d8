package control

// Status is how a command went.
type Status string

// The ways there are.
const (
	// Done: the server has done it. Details say what.
	Done Status = "done"
	// Unchanged: there was nothing to do.
	Unchanged Status = "unchanged"
	// Refused: the server goes on as it was. Details say why.
	Refused Status = "refused"
	// Invalid: likewise, because the configuration has mistakes.
	Invalid Status = "invalid"
)

// Outcome is what a command is told.
type Outcome struct {
	Status Status `json:"status"`
	// Details are lines for people.
	Details  []string `json:"details,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}
