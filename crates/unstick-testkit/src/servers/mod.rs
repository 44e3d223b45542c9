//! Real servers for tests, on free loopback ports with throwaway data, and a proxy that breaks connections.
