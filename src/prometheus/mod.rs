//! Prometheus: metric packs, evaluated over exactly the window of the load.
