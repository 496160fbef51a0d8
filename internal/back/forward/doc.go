// Package forward answers requests to a forward proxy: plain HTTP in absolute form
// (RFC 9112 §3.2.2) and CONNECT (RFC 9110 §9.3.6).
//
// # Who may do what
//
// A client has to be in one of the networks of Config.Clients and, where there is
// a file of users, to say who it is by Basic. The first role that is for it says
// which hosts and ports it may reach. All of that is decided before a name is
// looked up.
//
// # Addresses
//
// A name is resolved once; each address is classified, and one that passed is
// dialled as it is: whoever answers for the name cannot have another one dialled.
// Only addresses that are global and unicast pass, looked at through the IPv4
// addresses that IPv6 ones embed, and none of this machine. A role can name
// networks that pass as well. The proxy's own listeners never do.
//
// # What is sent on
//
// Requests and answers are made anew by back/transport; credentials for the proxy
// and fields of the connection stay here, Via is added (RFC 9110 §7.6.3), and a
// request that has been here before is refused. Tunnels carry octets, each
// direction with its own end, within bounds of number, time and octets.
//
// # Dry run
//
// What policy would refuse (clients, users, roles, addresses) is logged and let
// through; what protocol or limits refuse is refused as ever.
//
// It listens nowhere, caches nothing, and does not look into tunnels.
package forward
