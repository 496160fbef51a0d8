// Package static answers an Exchange with a file of a folder.
//
// # Names
//
// The file is what is left of Request.Path after the mount point. A path with an
// empty segment ("//") names no file, as access rules would see another path
// than the disk; nor does one with a segment that begins with "." (but for
// .well-known), or a file with a "/" behind it. Files are opened below their
// folder by the kernel (openat2, else os.Root): no ".." and no symbolic link
// leads out, and links are followed only where that is allowed.
//
// # Answers
//
// ETag, Last-Modified and the conditions on them go by RFC 9110 §13.2.2, ranges
// by §14. The ETag is strong: a hash of the content for files that are kept in
// memory, size and time of change for others. A range set that is malformed, has
// too many ranges or asks for more than the file has is ignored, and the whole
// file sent.
//
// # Blocking
//
// Nothing here waits for a disk on an event loop: a disk.Pool opens and
// reads. What it found, and the content of small files with its fields, is kept
// for all loops. Some large files are held open as long; the front sends them.
//
// A Folder is what is kept, a Handler how it is answered with: the fields, and which
// names are tried. So a Folder can outlive a Handler whose settings change.
//
// # Changes
//
// What is kept is looked at again once it is a second old. Where inotify tells what
// changes in a folder and in those that lead to it, that is when it does (seen
// within 50 ms), or after ten seconds, as there are changes that it does not tell:
// by a hard link elsewhere, or through a mapping. Where links are followed, and on
// file systems of which others may change the content, nobody tells.
//
// It writes nothing, compresses nothing, and knows no users.
package static
