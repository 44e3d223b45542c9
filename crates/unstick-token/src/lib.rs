//! Sessions of the unstick family that travel whole in the cookie, as a signed or encrypted JWT.
