// Package htpasswd knows users by name and password: it reads files as htpasswd
// -B writes them ("name:hash", a line each) and checks credentials against them.
//
// Hashes are bcrypt ($2a$, $2b$, $2y$) or argon2id (the PHC string format);
// others, which are broken, are mistakes. A check takes tens of milliseconds by
// design, so a Checker has a crew do it, once for all who ask about the same, and
// remembers credentials that were right for a while: not them, but a keyed hash. A name that is not
// there takes as long as one that is.
//
// Watch keeps up with a file that changes.
//
// It knows no roles and writes no files.
package htpasswd
