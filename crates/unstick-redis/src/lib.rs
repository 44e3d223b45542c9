//! Session store of the unstick family on Redis: standalone, Sentinel and Cluster.
