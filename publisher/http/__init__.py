"""Documents from HTTP(S) servers: a package index, a published index of layers, attestations."""
